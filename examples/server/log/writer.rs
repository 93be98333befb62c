//! Lines from those who log, through a queue, to a thread that writes.

use std::{
    io::{self, Write},
    sync::{
        Arc, PoisonError, RwLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

use super::{Condition, LogFormat, Output, Privacy, condition::in_words, counts::Counting, redact};

/// How often it is said how many lines were dropped, and how long the end waits for the last lines.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// For how long lines are gathered where one comes right behind another: waking the thread costs more than a line.
const GATHER: Duration = Duration::from_millis(5);

/// Octets of lines that are written at once.
const BATCH: usize = 64 * 1024;

/// What the queue holds.
pub(super) enum Entry {
    Line(Vec<u8>),
    /// The lines behind it go there, or to the same file anew.
    Turn(Option<Output>),
    /// Everything before it is written.
    Flush(SyncSender<()>),
}

/// Queues lines, and counts those that find no room.
pub(super) struct Writer {
    pub(super) queue: SyncSender<Entry>,
    pub(super) counting: Arc<Counting>,
    pub(super) format: LogFormat,
    pub(super) privacy: Arc<RwLock<Privacy>>,
}

impl Writer {
    /// The line without what is not to be told, if there is such.
    fn redacted(&self, line: &[u8]) -> Option<String> {
        let privacy = self.privacy.read().unwrap_or_else(PoisonError::into_inner);
        if privacy.is_full() {
            return None;
        }
        let line = String::from_utf8_lossy(line);
        match self.format {
            LogFormat::Json => redact::json(&privacy, &line),
            LogFormat::Text => redact::plain(&privacy, &line),
        }
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// One write is one line.
impl Write for &Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = self.redacted(line);
        let shown = shown.map_or_else(|| line.to_vec(), String::into_bytes);
        self.counting.queues();
        if self.queue.try_send(Entry::Line(shown)).is_err() {
            self.counting.finds_no_room();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes what waits in the queue behind a line, and returns how many lines there are, and what is behind them that is
/// none.
fn gather(queue: &Receiver<Entry>, batch: &mut Vec<u8>) -> (u64, Option<Entry>) {
    let mut lines = 1;
    while batch.len() < BATCH {
        match queue.try_recv() {
            Ok(Entry::Line(line)) => {
                batch.extend_from_slice(&line);
                lines += 1;
            }
            Ok(other) => return (lines, Some(other)),
            Err(_) => break,
        }
    }
    (lines, None)
}

/// Writes what is queued, for as long as the program runs.
pub(super) fn write_all(
    queue: &Receiver<Entry>,
    counting: &Counting,
    condition: &Condition,
    mut output: Output,
) {
    // Lines that it is said of that they were dropped, and of how many of them that is written.
    let (mut told, mut written) = (0, 0);
    let mut last = Instant::now();
    let (mut behind, mut wrote) = (None, None::<Instant>);
    loop {
        let entry = match behind.take() {
            Some(entry) => Ok(entry),
            None => queue.recv_timeout(PATIENCE),
        };
        match entry {
            Ok(Entry::Line(mut batch)) => {
                let is_busy = wrote.is_some_and(|wrote| wrote.elapsed() < GATHER);
                if is_busy {
                    thread::sleep(GATHER);
                }
                let lines;
                (lines, behind) = gather(queue, &mut batch);
                let done = condition.write(&mut output, &batch).min(lines);
                counting.leave(done, lines - done);
                wrote = Some(Instant::now());
                if done == lines {
                    written = told;
                } else {
                    // A full disk, or a reader that has gone, is no reason to stop. What is said of lines that are lost is
                    // said again until it is written, which shows when it can be.
                    told = written;
                }
            }
            Ok(Entry::Flush(written)) => _ = written.try_send(()),
            Ok(Entry::Turn(Some(next))) => output = next,
            Ok(Entry::Turn(None)) => {
                if let Err(error) = output.reopen() {
                    let place = output.place();
                    tracing::warn!(target: "log", "{place} cannot be opened again, its old file is kept: {error}");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        output.look();
        let all = counting.dropped();
        if all > told && last.elapsed() >= PATIENCE {
            last = Instant::now();
            tracing::warn!(
                target: "log",
                dropped = all - told,
                "lines dropped: {} is full, or not read fast enough",
                in_words(output.place()),
            );
            // That line may be dropped as well; then it is said again.
            if counting.dropped() == all {
                told = all;
            }
        }
    }
}
