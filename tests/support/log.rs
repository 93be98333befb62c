//! What is logged, so that a test can read it.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use tracing::{Dispatch, Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::format::FmtSpan;

/// Collects what is logged.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects what is logged on this thread, up to a level, for as long as the guard is there. A
    /// test whose sessions are tasks needs a runtime of this thread alone.
    pub fn start(level: Level) -> (Self, DefaultGuard) {
        keep_listening();
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .without_time()
            .with_writer(log.writer())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Everything that is logged in this process from the first call on, at every level, with the
    /// ends of spans.
    pub fn of_process() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            tracing_subscriber::fmt()
                .with_max_level(Level::TRACE)
                .with_ansi(false)
                .with_span_events(FmtSpan::FULL)
                .with_writer(log.writer())
                .init();
            log
        })
    }

    fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let log = self.clone();
        move || log.clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The text since the last call.
    pub fn take(&self) -> String {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(text).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Spans of this thread are known, and nothing is written.
pub fn spans() -> DefaultGuard {
    keep_listening();
    tracing::subscriber::set_default(tracing_subscriber::registry())
}

/// Whether anybody listens to a line of code is remembered for the whole process, and where there is
/// one subscriber it is the thread that gets there first which is asked. With two that stay and
/// listen to everything, each thread is asked each time.
fn keep_listening() {
    static LISTENERS: OnceLock<[Dispatch; 2]> = OnceLock::new();
    LISTENERS.get_or_init(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry())));
}
