//! `[log]` of the file: lines to standard error, which never wait for their reader.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Lines that wait to be written. A reader that stops for longer than they last loses lines; the server
/// goes on.
const QUEUE: usize = 1024;

/// How often it is said how many lines were dropped, and how long the end waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line that takes so long to write is not read by anybody, for the moment at least.
const STUCK: Duration = Duration::from_secs(5);

/// Logs to standard error. `RUST_LOG` chooses what, `info` by default; where we listen is logged in
/// any case, since scripts wait for it.
pub(crate) fn start(format: LogFormat) -> io::Result<Log> {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let filter = match "listening=info".parse() {
        Ok(always) => filter.add_directive(always),
        Err(_) => filter,
    };
    let (queue, lines) = sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let writer = Writer {
        queue: queue.clone(),
        dropped: Arc::clone(&dropped),
    };
    let thread = std::thread::Builder::new().name("log".into());
    let condition = Condition::default();
    let progress = condition.clone();
    thread.spawn(move || write_all(&lines, &dropped, &progress))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        // A line that cannot be written would be complained about on stderr as well, which panics:
        // a full disk is no reason to stop serving.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(Log { queue, condition })
}

/// What the queue holds.
enum Entry {
    Line(Vec<u8>),
    /// Everything before it is written.
    Flush(SyncSender<()>),
}

/// The log, for the end of the program.
pub(crate) struct Log {
    queue: SyncSender<Entry>,
    condition: Condition,
}

/// Whether lines can be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition(Arc<Mutex<Progress>>);

#[derive(Debug, Default)]
struct Progress {
    /// When the write began that has not come back.
    writing: Option<Instant>,
    /// The last one failed.
    failed: bool,
}

impl Condition {
    /// Returns why lines are lost, if they are.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let progress = self.progress();
        if progress
            .writing
            .is_some_and(|since| since.elapsed() >= STUCK)
        {
            Some("the log is stuck: nobody reads standard error")
        } else if progress.failed {
            Some("the log cannot be written to standard error")
        } else {
            None
        }
    }

    /// Writes a line, and returns whether it is written.
    fn write(&self, to: &mut impl Write, line: &[u8]) -> bool {
        self.progress().writing = Some(Instant::now());
        let failed = to.write_all(line).is_err();
        *self.progress() = Progress {
            writing: None,
            failed,
        };
        !failed
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// What becomes of its lines.
    pub(crate) fn condition(&self) -> Condition {
        self.condition.clone()
    }

    /// Waits until what has been logged is written, for two seconds at most. Returns whether it is:
    /// otherwise nobody reads standard error, and who writes to it waits for ever.
    pub(crate) fn flush(&self) -> bool {
        let (written, is_written) = sync_channel(1);
        let mut entry = Entry::Flush(written);
        let started = Instant::now();
        loop {
            match self.queue.try_send(entry) {
                Ok(()) => return is_written.recv_timeout(PATIENCE).is_ok(),
                Err(TrySendError::Full(back)) if started.elapsed() < PATIENCE => {
                    entry = back;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(_) => return false,
            }
        }
    }
}

/// Queues lines, and counts those that find no room.
#[derive(Clone)]
struct Writer {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

/// One write is one line.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Entry::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is queued, for as long as the program runs.
fn write_all(lines: &Receiver<Entry>, dropped: &AtomicU64, condition: &Condition) {
    let mut stderr = io::stderr();
    // Lines that it is said of that they were dropped, and of how many of them that is written.
    let (mut told, mut written) = (0, 0);
    let mut last = Instant::now();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(Entry::Line(line)) if condition.write(&mut stderr, &line) => written = told,
            // A full disk, or a reader that has gone, is no reason to stop. What is said of lines that are lost is
            // said again until it is written, which shows when it can be.
            Ok(Entry::Line(_)) => {
                dropped.fetch_add(1, Ordering::Relaxed);
                told = written;
            }
            Ok(Entry::Flush(written)) => _ = written.try_send(()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let all = dropped.load(Ordering::Relaxed);
        if all > told && last.elapsed() >= PATIENCE {
            last = Instant::now();
            tracing::warn!(
                target: "log",
                dropped = all - told,
                "lines dropped: standard error is full, or not read fast enough"
            );
            // That line may be dropped as well; then it is said again.
            if dropped.load(Ordering::Relaxed) == all {
                told = all;
            }
        }
    }
}
