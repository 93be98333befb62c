//! `[log]` of the file: lines to standard error or a file, which never wait for their reader.

mod counts;
mod place;
mod privacy;
mod redact;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use tower_socks::BoxError;
use tracing_subscriber::EnvFilter;

use self::counts::Counting;
#[allow(unused_imports, reason = "a bench has no use for them")]
pub(crate) use self::counts::Counts;
use self::privacy::{Clients, Targets, Users};
pub(crate) use self::{
    place::{Output, Place, ends},
    privacy::Privacy,
};

/// Lines that wait to be written. A reader that stops for longer than they last loses lines; the server
/// goes on.
const QUEUE: usize = 1024;

/// How often it is said how many lines were dropped, and how long the end waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line that takes so long to write is not read by anybody, for the moment at least.
const STUCK: Duration = Duration::from_secs(5);

/// `[log]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSettings {
    #[serde(default)]
    pub(crate) format: LogFormat,
    /// Which lines, as `RUST_LOG` says it, which goes before it.
    pub(crate) level: Option<String>,
    /// Standard error, if there is none.
    pub(crate) file: Option<Place>,
    #[serde(default)]
    targets: Targets,
    #[serde(default)]
    users: Users,
    #[serde(default)]
    clients: Clients,
    /// What makes the codes of names the same after a restart.
    users_key_file: Option<PathBuf>,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl fmt::Display for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level.as_deref().unwrap_or("info");
        write!(f, "{:?} to {}, level {level}", self.format, self.place())?;
        if self.targets != Targets::Full {
            write!(f, ", of targets {:?}", self.targets)?;
        }
        if self.users == Users::Hashed {
            f.write_str(", users Hashed")?;
        }
        if self.clients == Clients::Network {
            f.write_str(", of clients Network")?;
        }
        Ok(())
    }
}

impl LogSettings {
    /// Looks for mistakes.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(level) = &self.level {
            let parsed = EnvFilter::builder().parse(level);
            parsed.map_err(|error| format!("log, level: {error}"))?;
        }
        self.privacy().map(|_| ())
    }

    /// What is told, in all places.
    pub(crate) fn privacy(&self) -> Result<Privacy, String> {
        let key_file = self.users_key_file.as_ref();
        Privacy::new(self.targets, self.users, self.clients, key_file)
    }

    fn place(&self) -> Place {
        self.file.clone().unwrap_or(Place::Stderr)
    }

    /// `RUST_LOG` chooses what, then `level`, `info` by default; where we listen is logged in any case, since scripts
    /// wait for it.
    fn filter(&self) -> EnvFilter {
        let builder = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
        let filter = match (std::env::var_os(EnvFilter::DEFAULT_ENV), &self.level) {
            (None, Some(level)) => builder.parse_lossy(level),
            _ => builder.from_env_lossy(),
        };
        match "listening=info".parse() {
            Ok(always) => filter.add_directive(always),
            Err(_) => filter,
        }
    }
}

/// Logs from here on.
///
/// # Errors
///
/// The file cannot be opened.
pub(crate) fn start(settings: &LogSettings) -> Result<Log, BoxError> {
    let place = settings.place();
    let output = Output::open(place.clone())
        .map_err(|error| format!("log: {place} cannot be opened: {error}"))?;
    let format = settings.format;
    let (queue, lines) = sync_channel(QUEUE);
    let counting = Arc::new(Counting::default());
    let privacy = Arc::clone(PRIVACY.get_or_init(Arc::default));
    *privacy.write().unwrap_or_else(PoisonError::into_inner) = settings.privacy()?;
    let writer = Writer {
        queue: queue.clone(),
        counting: Arc::clone(&counting),
        format,
        privacy: Arc::clone(&privacy),
    };
    let thread = std::thread::Builder::new().name("log".into());
    let condition = Condition::at(&place);
    let progress = condition.clone();
    let counts = Arc::clone(&counting);
    thread.spawn(move || write_all(&lines, &counts, &progress, output))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(settings.filter())
        .with_writer(move || writer.clone())
        // A line that cannot be written would be complained about on stderr as well, which panics:
        // a full disk is no reason to stop serving.
        .log_internal_errors(false);
    let is_terminal = place == Place::Stderr && io::stderr().is_terminal();
    let filter: Filter = match format {
        LogFormat::Text => {
            let log = log.with_ansi(is_terminal).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |filter| handle.reload(filter).is_ok())
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |filter| handle.reload(filter).is_ok())
        }
    };
    Ok(Log {
        queue,
        counting,
        condition,
        filter: Arc::new(filter),
        privacy,
        place: Arc::new(Mutex::new(place)),
    })
}

/// What is told, wherever something is shown.
static PRIVACY: OnceLock<Arc<RwLock<Privacy>>> = OnceLock::new();

/// What is told of clients, users and targets by now.
pub(crate) fn privacy() -> Privacy {
    let privacy = PRIVACY.get_or_init(Arc::default);
    privacy
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Replaces what is logged.
type Filter = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// What the queue holds.
enum Entry {
    Line(Vec<u8>),
    /// The lines behind it go there, or to the same file anew.
    Turn(Option<Output>),
    /// Everything before it is written.
    Flush(SyncSender<()>),
}

/// The log, for a reload and for the end of the program. Clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    queue: SyncSender<Entry>,
    counting: Arc<Counting>,
    condition: Condition,
    filter: Arc<Filter>,
    privacy: Arc<RwLock<Privacy>>,
    place: Arc<Mutex<Place>>,
}

/// Whether lines can be written.
#[derive(Clone, Debug)]
pub(crate) struct Condition(Arc<Mutex<Progress>>);

#[derive(Debug)]
struct Progress {
    /// What cannot be written to, in words.
    place: &'static str,
    /// When the write began that has not come back.
    writing: Option<Instant>,
    /// The last one failed.
    failed: bool,
}

const FILE: &str = "its file";

fn in_words(place: &Place) -> &'static str {
    match place {
        Place::File(_) => FILE,
        Place::Stdout => "standard output",
        Place::Stderr => "standard error",
    }
}

impl Condition {
    fn at(place: &Place) -> Self {
        Self(Arc::new(Mutex::new(Progress {
            place: in_words(place),
            writing: None,
            failed: false,
        })))
    }

    /// Returns why lines are lost, if they are.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let progress = self.progress();
        if progress
            .writing
            .is_some_and(|since| since.elapsed() >= STUCK)
        {
            Some(match progress.place {
                FILE => "the log is stuck: its file cannot be written",
                _ => "the log is stuck: nobody reads standard error",
            })
        } else if progress.failed {
            Some(match progress.place {
                FILE => "the log cannot be written to its file",
                _ => "the log cannot be written to standard error",
            })
        } else {
            None
        }
    }

    /// Writes a line, and returns whether it is written.
    fn write(&self, to: &mut Output, line: &[u8]) -> bool {
        self.progress().writing = Some(Instant::now());
        let failed = to.write(line).outcome.is_err();
        *self.progress() = Progress {
            place: in_words(to.place()),
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
    /// What became of its lines.
    #[allow(dead_code, reason = "a bench has no use for them")]
    pub(crate) fn counts(&self) -> Counts {
        self.counting.get()
    }

    /// Whether they can be written.
    pub(crate) fn condition(&self) -> Condition {
        self.condition.clone()
    }

    /// Puts other settings in force, all but the format, and opens the file anew.
    ///
    /// # Errors
    ///
    /// A file cannot be opened. All stays as it is then.
    pub(crate) fn change(&self, settings: &LogSettings) -> Result<(), String> {
        let privacy = settings.privacy()?;
        let place = settings.place();
        let mut current = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == place {
            self.turn(None);
        } else {
            let output = Output::open(place.clone())
                .map_err(|error| format!("log: {place} cannot be opened: {error}"))?;
            self.turn(Some(output));
            *current = place;
        }
        drop(current);
        (self.filter)(settings.filter());
        *self.privacy.write().unwrap_or_else(PoisonError::into_inner) = privacy;
        Ok(())
    }

    /// Opens the file anew, which logrotate has moved.
    pub(crate) fn reopen(&self) {
        self.turn(None);
    }

    /// A queue that is full is that of a log that is stuck: then there is nothing to turn.
    fn turn(&self, output: Option<Output>) {
        _ = self.queue.try_send(Entry::Turn(output));
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
    counting: Arc<Counting>,
    format: LogFormat,
    privacy: Arc<RwLock<Privacy>>,
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

/// One write is one line.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = self.redacted(line);
        let shown = shown.map_or_else(|| line.to_vec(), String::into_bytes);
        self.counting.queues();
        if self.queue.try_send(Entry::Line(shown)).is_err() {
            self.counting.leaves(false);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is queued, for as long as the program runs.
fn write_all(
    lines: &Receiver<Entry>,
    counting: &Counting,
    condition: &Condition,
    mut output: Output,
) {
    // Lines that it is said of that they were dropped, and of how many of them that is written.
    let (mut told, mut written) = (0, 0);
    let mut last = Instant::now();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(Entry::Line(line)) if condition.write(&mut output, &line) => {
                counting.leaves(true);
                written = told;
            }
            // A full disk, or a reader that has gone, is no reason to stop. What is said of lines that are lost is
            // said again until it is written, which shows when it can be.
            Ok(Entry::Line(_)) => {
                counting.leaves(false);
                told = written;
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
