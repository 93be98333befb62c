//! Whether a server of a directory is asked, or left alone for a time after it has failed.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::admission::{Backoff, LogBudget};

/// How long a server that has failed is left alone.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(4));

/// A server that is asked, or left alone.
pub(super) struct Availability {
    /// What the log calls it.
    server: String,
    state: Mutex<State>,
    lines: LogBudget,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// The log has a line of them.
    is_told: bool,
    /// Until then it is left alone.
    away_until: Option<Instant>,
}

impl Availability {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            state: Mutex::default(),
            lines: LogBudget::new(4, Duration::from_secs(10)),
        }
    }

    /// Whether it may be asked. Where it has been left alone for long enough, one who asks finds out for all.
    pub(super) fn may_be_asked(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        match state.away_until {
            Some(until) if until > now => false,
            Some(_) => {
                state.away_until = Some(now + BACKOFF.after(state.failures));
                true
            }
            None => true,
        }
    }

    /// It has answered.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.away_until = None;
        state.failures = 0;
        let was_told = std::mem::take(&mut state.is_told);
        drop(state);
        if was_told {
            tracing::info!("{}: answers again", self.server);
        }
    }

    /// It has failed: it is left alone for a time, which doubles.
    pub(super) fn failed(&self, failure: &dyn fmt::Display) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.away_until = Some(Instant::now() + BACKOFF.after(state.failures));
        // Where the first of them has found no room in the log, a later one has: a server that stays away is told of.
        let suppressed = match state.is_told {
            true => None,
            false => self.lines.take(),
        };
        state.is_told |= suppressed.is_some();
        drop(state);
        if let Some(suppressed) = suppressed {
            tracing::warn!(
                suppressed = suppressed.field(),
                "{}: {failure}",
                self.server
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tokio::time::advance;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        /// How many are warnings, and how many say that it answers again.
        fn count(&self) -> (usize, usize) {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let count = |what: &str| text.matches(what).count();
            (count("WARN"), count("answers again"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_and_goes_is_told_of_a_few_times_and_one_that_stays_away_in_any_case() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let _logged = tracing::subscriber::set_default(subscriber);
        let server = Availability::new("server".into());
        for _ in 0..100 {
            server.failed(&"away");
            server.answered();
        }
        assert_eq!(lines.count(), (4, 4));
        server.failed(&"away");
        assert_eq!(lines.count(), (4, 4));
        advance(Duration::from_secs(11)).await;
        for _ in 0..3 {
            server.failed(&"away");
        }
        assert_eq!(lines.count(), (5, 4));
        server.answered();
        server.answered();
        assert_eq!(lines.count(), (5, 5));
    }
}
