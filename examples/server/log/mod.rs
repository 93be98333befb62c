//! `[log]` of the file: lines to standard error or a file, which never wait for their reader.

mod condition;
mod counts;
mod entering;
mod place;
mod privacy;
mod redact;
mod settings;
mod spans;
mod subscriber;
mod text;
mod writer;

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use tower_socks::BoxError;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, reload, util::SubscriberInitExt};

#[allow(unused_imports, reason = "a bench has no use for them")]
pub(crate) use self::counts::Counts;
pub(crate) use self::{
    condition::Condition,
    place::{Output, Place, ends},
    privacy::Privacy,
    settings::{LogFormat, LogSettings},
};
use self::{
    counts::Counting,
    entering::Entering,
    subscriber::Lines,
    writer::{Entry, PATIENCE, Writer, write_all},
};
use crate::access_log::values;

/// Lines that wait to be written. A reader that stops for longer than they last loses lines; the server
/// goes on.
const QUEUE: usize = 1024;

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
    let is_terminal = place == Place::Stderr && io::stderr().is_terminal();
    let filter: Filter = if format == LogFormat::Text && !is_terminal {
        let (layer, handle) = reload::Layer::new(settings.filter());
        Entering::new(Lines::new(writer).with(layer)).init();
        Box::new(move |filter| handle.reload(filter).is_ok())
    } else {
        let log = tracing_subscriber::fmt()
            .with_env_filter(settings.filter())
            .with_writer(writer)
            // A line that cannot be written would be complained about on stderr as well, which panics:
            // a full disk is no reason to stop serving.
            .log_internal_errors(false);
        if format == LogFormat::Text {
            let log = log.with_ansi(true).with_filter_reloading();
            let handle = log.reload_handle();
            Entering::new(log.finish()).init();
            Box::new(move |filter| handle.reload(filter).is_ok())
        } else {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let handle = log.reload_handle();
            Entering::new(log.finish()).init();
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
