//! Lines that wait for a thread to write them, so that nobody waits for a disk.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::log::{Output, Place, ends};

/// Octets that wait to be written: some 10,000 lines, or a second of what a busy server has.
const MOST: usize = 8 * 1024 * 1024;

/// For how long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(50);

/// How often the file is looked after while there is nothing to write.
const IDLE: Duration = Duration::from_secs(1);

/// A batch that took more room than this gives it back.
const KEPT: usize = 256 * 1024;

/// Queues lines for a file. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// The batch that is being written.
    is_writing: bool,
    /// Where lines go from here on.
    next: Option<Output>,
    reopen: bool,
    hurry: bool,
    counts: Counts,
    /// Lines were dropped, and that has not ended.
    is_dropping: Option<Dropping>,
}

/// Since when lines are dropped.
#[derive(Clone, Copy)]
struct Dropping {
    /// Those that had been dropped before.
    before: u64,
    last: Instant,
}

/// Lines until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) written: u64,
    pub(crate) dropped: u64,
    /// Those that have been queued, and not been written yet.
    pub(crate) waiting: u64,
}

impl Writer {
    /// Opens the place, and starts the thread.
    pub(crate) fn start(place: Place) -> io::Result<Self> {
        let output = Output::open(place)?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("access log".into());
        thread.spawn(move || writing.write_all(output))?;
        Ok(Self(shared))
    }

    /// Queues a line, which ends in a newline. One that finds no room is dropped and counted.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.waiting.len() + line.len() > MOST {
            state.counts.dropped += 1;
            let is_first = state.drops();
            drop(state);
            if is_first {
                tracing::warn!(
                    "access log: lines are dropped, its file is not written fast enough"
                );
            }
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.counts.waiting += 1;
        drop(state);
        if was_empty {
            self.0.changed.notify_all();
        }
    }

    /// Opens the file anew: after what has been queued, which still goes to the old one.
    pub(crate) fn reopen(&self) {
        self.0.lock().reopen = true;
        self.0.changed.notify_all();
    }

    /// Has lines go to another place from here on.
    ///
    /// # Errors
    ///
    /// It cannot be opened. They go where they went then.
    pub(crate) fn redirect(&self, place: Place) -> io::Result<()> {
        let output = Output::open(place)?;
        self.0.lock().next = Some(output);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Waits until what has been queued is written, for so long at most. Returns whether it is.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        let mut state = self.0.lock();
        state.hurry = true;
        self.0.changed.notify_all();
        let waited = self.0.changed.wait_timeout_while(state, limit, |state| {
            state.is_writing || !state.waiting.is_empty()
        });
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        state.hurry = false;
        !waited.timed_out()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().counts
    }
}

impl State {
    /// Notes that lines are dropped. Returns whether they were not before.
    fn drops(&mut self) -> bool {
        let last = Instant::now();
        match &mut self.is_dropping {
            Some(dropping) => {
                dropping.last = last;
                false
            }
            None => {
                let before = self.counts.dropped - 1;
                self.is_dropping = Some(Dropping { before, last });
                true
            }
        }
    }

    /// Returns how many lines were dropped, if that is over.
    fn has_dropped(&mut self) -> Option<u64> {
        let dropping = self
            .is_dropping
            .filter(|dropping| dropping.last.elapsed() >= IDLE)?;
        self.is_dropping = None;
        Some(self.counts.dropped - dropping.before)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is queued, for as long as the program runs.
    fn write_all(&self, mut output: Output) {
        let mut batch = Vec::new();
        loop {
            let (next, reopen) = self.gather(&mut batch);
            // Not while the old file has lines to come.
            if batch.is_empty() {
                output.look();
            } else {
                self.write(&mut output, &batch);
            }
            batch.clear();
            if batch.capacity() > KEPT {
                batch = Vec::new();
            }
            if let Some(next) = next {
                output = next;
            } else if reopen && let Err(error) = output.reopen() {
                let place = output.place();
                tracing::warn!(
                    "access log: {place} cannot be opened again, its old file is kept: {error}"
                );
            }
        }
    }

    /// Waits for something to write, or to do. Takes what there is.
    fn gather(&self, batch: &mut Vec<u8>) -> (Option<Output>, bool) {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        let is_idle =
            |state: &mut State| state.waiting.is_empty() && state.next.is_none() && !state.reopen;
        let waited = self.changed.wait_timeout_while(state, IDLE, is_idle);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_calm = |state: &mut State| {
            state.waiting.len() < MOST / 2 && state.next.is_none() && !state.reopen && !state.hurry
        };
        if !state.waiting.is_empty() && is_calm(&mut state) {
            let waited = self.changed.wait_timeout_while(state, GATHER, is_calm);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut state.waiting, batch);
        state.is_writing = !batch.is_empty();
        let orders = (state.next.take(), std::mem::take(&mut state.reopen));
        let dropped = state.has_dropped();
        drop(state);
        if let Some(dropped) = dropped {
            tracing::warn!(dropped, "access log: lines were dropped, and it goes on");
        }
        orders
    }

    fn write(&self, output: &mut Output, batch: &[u8]) {
        let written = output.write(batch);
        let mut state = self.lock();
        let lines = ends(batch);
        let lost = lines.saturating_sub(written.lines);
        state.counts.waiting = state.counts.waiting.saturating_sub(lines);
        state.counts.written += written.lines;
        let mut is_first = false;
        if lost > 0 {
            state.counts.dropped += 1;
            is_first = state.drops();
            state.counts.dropped += lost - 1;
        }
        drop(state);
        if let Err(error) = written.outcome
            && is_first
        {
            let place = output.place();
            tracing::warn!("access log: lines are dropped, {place} cannot be written: {error}");
        }
        output.look();
    }
}
