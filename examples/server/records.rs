//! Records of sessions, and who gets them: the access log, and what else wants to hear of each.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::signal::unix::{SignalKind, signal};
use tower_socks::{
    BoxError,
    layer::record::{RecordRequestsLayer, RecordSessionsLayer, Recorder, Sink},
};

use crate::{
    access_log::{self, AccessLog, Lines},
    log::{self, Log},
    settings::Fixed,
};

/// Collects records, for as long as the program runs. Clones share it.
#[derive(Clone)]
pub(crate) struct Records {
    recorder: Recorder,
    log: Log,
    shared: Arc<Mutex<Sinks>>,
}

#[derive(Default)]
struct Sinks {
    /// It stays open while a reload has it off: what is written then comes from sessions that began before.
    access_log: Option<Lines>,
    is_logged: bool,
    /// Each by what it is of.
    others: BTreeMap<&'static str, Arc<dyn Sink>>,
}

impl Records {
    /// Opens the access log.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub(crate) fn start(settings: Option<&AccessLog>, log: &Log) -> Result<Self, BoxError> {
        let records = Self {
            recorder: Recorder::new([]),
            log: log.clone(),
            shared: Arc::default(),
        };
        records.log_to(settings)?;
        Ok(records)
    }

    /// Tells of tunnels that last, and opens files anew at SIGHUP, whatever else that does. To be called once, inside
    /// the runtime.
    pub(crate) fn run(&self) -> Result<(), BoxError> {
        tokio::spawn(self.recorder.clone().updates());
        let mut signal = signal(SignalKind::hangup())?;
        let records = self.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                records.log.reopen();
                let access_log = records.lock().access_log.clone();
                if let Some(lines) = access_log {
                    lines.reopen();
                }
            }
        });
        Ok(())
    }

    /// Has another sink hear of sessions that begin from here on, in place of the one of this name; or none.
    pub(crate) fn also(&self, name: &'static str, sink: Option<Arc<dyn Sink>>) {
        let mut sinks = self.lock();
        match sink {
            Some(sink) => sinks.others.insert(name, sink),
            None => sinks.others.remove(name),
        };
        self.recorder.set_sinks(sinks.all());
    }

    /// Has sessions that begin from here on have a record whether somebody hears of them or not: a verifier reads it.
    pub(crate) fn always(&self, always: bool) {
        self.recorder.set_always(always);
    }

    /// Puts other settings of the log and the access log in force.
    ///
    /// # Errors
    ///
    /// A file cannot be opened. What it concerns stays as it is.
    pub(crate) fn change(&self, fixed: &Fixed) -> Result<(), BoxError> {
        self.log.change(&fixed.log)?;
        self.log_to(fixed.access_log.as_ref())
    }

    fn log_to(&self, settings: Option<&AccessLog>) -> Result<(), BoxError> {
        let mut sinks = self.lock();
        if let Some(settings) = settings {
            let privacy = log::privacy();
            let outcome = match &sinks.access_log {
                Some(lines) => lines.change(settings, privacy),
                None => Lines::start(settings, privacy).map(|lines| sinks.access_log = Some(lines)),
            };
            let place = &settings.file;
            outcome.map_err(|error| format!("access_log: {place} cannot be opened: {error}"))?;
        }
        sinks.is_logged = settings.is_some();
        self.recorder.set_sinks(sinks.all());
        Ok(())
    }

    /// Lines of the log.
    pub(crate) fn log_counts(&self) -> log::Counts {
        self.log.counts()
    }

    /// Lines of the access log, if there is one.
    pub(crate) fn access_log_counts(&self) -> access_log::Counts {
        let sinks = self.lock();
        sinks
            .access_log
            .as_ref()
            .map(Lines::counts)
            .unwrap_or_default()
    }

    /// The layer for sessions at a listener.
    pub(crate) fn sessions(&self, listener: &str) -> RecordSessionsLayer {
        self.recorder.sessions().listener(listener)
    }

    /// The layer for requests.
    pub(crate) fn requests(&self) -> RecordRequestsLayer {
        self.recorder.requests()
    }

    /// Writes what waits, at the end of the program.
    pub(crate) fn flush(&self) {
        let access_log = self.lock().access_log.clone();
        if let Some(lines) = access_log
            && !lines.flush()
        {
            tracing::warn!("access log: its last lines are not written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sinks> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sinks {
    fn all(&self) -> Vec<Arc<dyn Sink>> {
        let access_log = self.access_log.iter().filter(|_| self.is_logged);
        let access_log = access_log.map(|lines| Arc::new(lines.clone()) as Arc<dyn Sink>);
        access_log.chain(self.others.values().cloned()).collect()
    }
}
