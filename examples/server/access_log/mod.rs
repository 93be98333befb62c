//! `[access_log]` of the file: one line for each session that has ended.

mod json;
mod object;
mod squid;
pub(crate) mod values;
mod writer;

use std::{
    cell::Cell,
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::Deserialize;
use tower_socks::layer::record::{Record, Sink};

pub(crate) use self::writer::Counts;
use self::writer::Writer;
use crate::{
    log::{Place, Privacy},
    timeouts::Span,
};

/// `[access_log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessLog {
    pub(crate) file: Place,
    #[serde(default)]
    pub(crate) format: Format,
    /// How often a tunnel that is open has a line.
    pub(crate) interim: Option<Span>,
}

/// How its lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Squid,
}

impl fmt::Display for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {}", self.format, self.file)?;
        match self.interim {
            Some(interim) => write!(f, ", of open tunnels every {:?}", interim.0),
            None => Ok(()),
        }
    }
}

impl AccessLog {
    /// Looks for mistakes that only the whole of it shows.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.format, self.interim) {
            (Format::Squid, Some(_)) => Err(
                "access_log: squid's format has no lines for open tunnels: remove `interim`".into(),
            ),
            _ => Ok(()),
        }
    }
}

/// Writes the access log. It lives on when a reload changes its settings. Clones share it.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

struct Shared {
    writer: Writer,
    settings: RwLock<Settings>,
}

#[derive(Clone)]
struct Settings {
    place: Place,
    format: Format,
    interim: Option<Duration>,
    privacy: Privacy,
}

impl Settings {
    fn new(settings: &AccessLog, privacy: Privacy) -> Self {
        Self {
            place: settings.file.clone(),
            format: settings.format,
            interim: settings.interim.map(|interim| interim.0),
            privacy,
        }
    }
}

thread_local! {
    /// Room for a line.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

impl Lines {
    /// Opens the file.
    pub(crate) fn start(settings: &AccessLog, privacy: Privacy) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            writer: Writer::start(settings.file.clone())?,
            settings: RwLock::new(Settings::new(settings, privacy)),
        })))
    }

    /// Puts other settings in force, and opens the file anew.
    ///
    /// # Errors
    ///
    /// Another file cannot be opened. What is in force stays.
    pub(crate) fn change(&self, settings: &AccessLog, privacy: Privacy) -> io::Result<()> {
        let settings = Settings::new(settings, privacy);
        let is_same = self.settings().place == settings.place;
        match is_same {
            true => self.0.writer.reopen(),
            false => self.0.writer.redirect(settings.place.clone())?,
        }
        *self
            .0
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// Opens the file anew, which logrotate has moved.
    pub(crate) fn reopen(&self) {
        self.0.writer.reopen();
    }

    /// Writes what waits, at the end of the program.
    pub(crate) fn flush(&self) -> bool {
        self.0.writer.flush(Duration::from_secs(2))
    }

    /// Lines until now.
    pub(crate) fn counts(&self) -> Counts {
        self.0.writer.counts()
    }

    fn settings(&self) -> std::sync::RwLockReadGuard<'_, Settings> {
        self.0
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, record: &Record) {
        let mut line = LINE.take();
        line.clear();
        {
            let settings = self.settings();
            match settings.format {
                Format::Json => json::write(&mut line, record, &settings.privacy),
                Format::Squid => squid::write(&mut line, record, &settings.privacy),
            }
        }
        self.0.writer.push(line.as_bytes());
        LINE.set(line);
    }
}

impl Sink for Lines {
    fn hears_of_starts(&self) -> bool {
        false
    }

    fn interim(&self, record: &Record) {
        self.write(record);
    }

    fn ended(&self, record: &Record) {
        self.write(record);
    }

    fn interval(&self) -> Option<Duration> {
        self.settings().interim
    }
}
