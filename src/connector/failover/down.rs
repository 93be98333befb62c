//! Whether an alternative is up or down, and until when it is left alone.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Classify, FailureClass};
use crate::{
    admission::{Backoff, LogBudget, warned},
    error::{BoxError, Chain},
};

/// How long an alternative is not tried after failures in a row.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// A request that is dropped after so long has waited in vain: the client or a `timeout` had enough.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of one alternative.
#[derive(Debug)]
pub(super) struct State {
    name: Box<str>,
    classify: Classify,
    health: Mutex<Health>,
    /// One that comes and goes has a few lines, and one in 10 s.
    lines: LogBudget,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    /// Whether the log knows that it is down.
    told: bool,
    /// Down until then.
    down_until: Option<Instant>,
    /// When it has answered last.
    answered: Option<Instant>,
}

impl State {
    pub(super) fn new(name: impl Into<Box<str>>, classify: Classify) -> Self {
        Self {
            name: name.into(),
            classify,
            health: Mutex::default(),
            lines: LogBudget::new(4, Duration::from_secs(10)),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Until when it is down, if it is.
    pub(super) fn down_until(&self) -> Option<Instant> {
        self.lock(|health| health.down_until.filter(|until| *until > Instant::now()))
    }

    /// Notes a failure. `error` is what the log says, and `is_warned` whether it has said so as a
    /// warning.
    fn failed(&self, error: &dyn fmt::Display, is_warned: bool) {
        let (failures, line) = self.lock(|health| {
            health.failures = health.failures.saturating_add(1);
            health.down_until = Instant::now().checked_add(BACKOFF.after(health.failures));
            let line = (health.failures == 1).then(|| self.lines.take()).flatten();
            health.told |= line.is_some();
            (health.failures, line)
        });
        let upstream = &self.name;
        match line {
            Some(before) if is_warned => {
                let suppressed = before.field();
                tracing::info!(%upstream, %error, suppressed, "upstream marked down");
            }
            Some(before) => {
                let suppressed = before.field();
                tracing::warn!(%upstream, %error, suppressed, "upstream marked down");
                warned();
            }
            None if failures == 1 => {
                tracing::debug!(%upstream, %error, "upstream marked down once more");
            }
            None => tracing::debug!(%upstream, failures, %error, "upstream still down"),
        }
    }

    /// Notes an answer.
    fn answered(&self) {
        let before = self.lock(|health| {
            let answered = Health {
                answered: Some(Instant::now()),
                ..Health::default()
            };
            std::mem::replace(health, answered)
        });
        let (upstream, failures) = (&self.name, before.failures);
        if before.told {
            tracing::info!(%upstream, failures, "upstream up again");
        } else if failures > 0 {
            tracing::debug!(%upstream, failures, "upstream up once more");
        }
    }

    fn lock<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request to an alternative, until its outcome is recorded. One that is dropped without an
/// outcome after some time counts as silence.
#[derive(Debug)]
pub(super) struct Attempt {
    state: Arc<State>,
    begun: Instant,
    /// The alternative has answered something.
    heard: bool,
    recorded: bool,
}

impl Attempt {
    /// Begins a request. Where the alternative has failed, that is one try: for all other requests it
    /// stays down for as long as its last failure took it.
    pub(super) fn begin(state: &Arc<State>) -> Self {
        let begun = Instant::now();
        state.lock(|health| {
            if health.down_until.is_some() {
                health.down_until = begun.checked_add(BACKOFF.after(health.failures));
            }
        });
        Self {
            state: Arc::clone(state),
            begun,
            heard: false,
            recorded: false,
        }
    }

    /// Records the outcome, of which the log may have a warning. Returns whether another alternative
    /// might do better.
    pub(super) fn record<T>(&mut self, outcome: &Result<T, BoxError>, is_warned: bool) -> bool {
        self.recorded = true;
        let Err(error) = outcome else {
            self.state.answered();
            return false;
        };
        match self.state.classify.class(error) {
            FailureClass::Alternative => self.state.failed(&Chain(&**error), is_warned),
            FailureClass::Silent => self.silent(&Chain(&**error), is_warned),
            FailureClass::Request => {}
            FailureClass::Target => {
                self.state.answered();
                return false;
            }
        }
        true
    }

    /// Notes whether the alternative has answered something, if not yet the request.
    pub(super) const fn hears(&mut self, anything: bool) {
        self.heard = anything;
    }

    /// Records that the request was not answered within this time.
    pub(super) fn time_out(&mut self, limit: Duration) {
        self.recorded = true;
        self.silent(&format_args!("no answer within {limit:?}"), false);
    }

    /// One that has answered others meanwhile is up: the target of this request is silent, and clients
    /// choose targets.
    fn silent(&self, error: &dyn fmt::Display, is_warned: bool) {
        let answered = self.state.lock(|health| health.answered);
        if answered.is_none_or(|answered| answered < self.begun) {
            self.state.failed(error, is_warned);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let waited = self.begun.elapsed();
        // Of one that speaks to us, a client that goes says only that the target is silent, which clients choose.
        if !self.recorded && !self.heard && waited >= PATIENCE {
            self.silent(&format_args!("no answer within {waited:?}"), false);
        }
    }
}
