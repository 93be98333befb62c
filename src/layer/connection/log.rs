//! The log line at the end of a session.

use std::fmt;

use tokio::time::Instant;
use tracing::Level;

use super::lines::{Lines, Party, TARGET};
use crate::{
    error::{Chain, Fault, SessionError, Step, find},
    relay::{RelayError, RelayErrorKind, Traffic, dropped},
    session::record::Recording,
};

/// What ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// A session.
    Session,
    /// One of several requests of a session.
    #[cfg_attr(not(feature = "http-server"), expect(dead_code, reason = "of HTTP"))]
    Request,
    /// An attempt to log in, one of several of a session.
    #[cfg_attr(not(feature = "http-server"), expect(dead_code, reason = "of HTTP"))]
    Login,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Request => "request",
            Self::Login => "login",
        })
    }
}

/// Logs the end of a session without a tunnel, at debug: anybody can connect and leave.
fn over(traffic: Traffic, started: Instant, lines: &Lines) {
    lines.summarise();
    tracing::debug!(
        target: TARGET,
        outcome = "done",
        up = traffic.up,
        down = traffic.down,
        duration = ?started.elapsed(),
        "session ended"
    );
}

/// Logs the end of a session or request, inside its span, at the level of whose fault it was. What exceeds the
/// budget of its kind is at debug.
pub(super) fn report(
    of: Of,
    outcome: Result<&Traffic, &SessionError>,
    started: Instant,
    lines: &Lines,
    party: Party,
) {
    macro_rules! ended {
        ($level:ident, $outcome:expr, $traffic:expr $(, $($field:tt)+)?) => {
            tracing::$level!(
                target: TARGET,
                outcome = %$outcome,
                up = $traffic.up,
                down = $traffic.down,
                duration = ?started.elapsed(),
                $($($field)+,)?
                "{of} ended"
            )
        };
    }
    lines.summarise();
    let error = match outcome {
        Ok(traffic) => {
            ended!(info, "done", traffic);
            return;
        }
        Err(error) => error,
    };
    let broken = find::<RelayError>(error);
    let traffic = broken.map_or_else(Traffic::default, RelayError::traffic);
    let is_drained = broken.is_some_and(|broken| broken.kind() == RelayErrorKind::Drained);
    let cause = Chain(error);
    let (outcome, level) = match error.fault() {
        // Octets have moved, which is worth a line at info whatever ended it.
        Fault::Client | Fault::Target | Fault::Upstream if error.step() == Step::Relay => {
            (Outcome::Is("broken"), Level::INFO)
        }
        Fault::Client => (Outcome::At(error.step()), Level::DEBUG),
        Fault::Refused if is_drained => (Outcome::Is("drained"), Level::INFO),
        Fault::Refused => (Outcome::Is("refused"), Level::INFO),
        Fault::Target => (Outcome::Is("unreachable"), Level::INFO),
        Fault::Upstream => (Outcome::Is("upstream"), Level::INFO),
        Fault::Server => (Outcome::Is("failed"), Level::WARN),
    };
    if level == Level::DEBUG || !lines.admit(error, party) {
        ended!(debug, outcome, traffic, error = %cause);
    } else if level == Level::WARN {
        ended!(warn, outcome, traffic, error = %cause);
    } else {
        ended!(info, outcome, traffic, error = %cause);
    }
}

/// Logs a session that is dropped before its end, inside its span, with what has moved until then: by
/// a server whose drain limit has passed, by a layer above, or by a panic.
pub(super) struct Unended {
    of: Of,
    started: Instant,
    /// Of a request that goes on it is gone.
    pub(super) recording: Option<Recording>,
    /// Octets may have moved, which is worth a line at info.
    pub(super) relays: bool,
    ended: bool,
}

impl Unended {
    pub(super) const fn new(of: Of, started: Instant, recording: Option<Recording>) -> Self {
        Self {
            of,
            started,
            recording,
            relays: false,
            ended: false,
        }
    }

    /// Logs and records how it has ended.
    pub(super) fn ended(
        &mut self,
        outcome: Result<&Traffic, &SessionError>,
        lines: &Lines,
        party: Party,
    ) {
        report(self.of, outcome, self.end(), lines, party);
        if let Some(recording) = &self.recording {
            recording.ended(outcome);
        }
    }

    /// One that is not there yet, and leaves no word if it never is.
    pub(super) fn to_come(of: Of, recording: Option<Recording>) -> Self {
        let mut unended = Self::new(of, Instant::now(), recording);
        unended.ended = true;
        unended
    }

    /// Begins the one that was to come.
    pub(super) fn begin(&mut self) {
        self.started = Instant::now();
        self.ended = false;
    }

    /// Logs and records the end of a session without a tunnel.
    pub(super) fn over(&mut self, traffic: Traffic, lines: &Lines) {
        over(traffic, self.end(), lines);
        if let Some(recording) = &self.recording {
            recording.ended(Ok(&traffic));
        }
    }

    /// The session has ended by itself. Returns when it began.
    pub(super) fn end(&mut self) -> Instant {
        self.ended = true;
        // Of an association, which leaves it in any case.
        let _ = dropped::left();
        self.started
    }
}

impl Drop for Unended {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let traffic = dropped::left();
        if let Some(recording) = &self.recording {
            recording.dropped(traffic);
        }
        let traffic = traffic.unwrap_or_default();
        let outcome = match std::thread::panicking() {
            true => "panicked",
            false => "dropped",
        };
        macro_rules! ended {
            ($level:ident) => {{
                let of = self.of;
                tracing::$level!(
                    target: TARGET,
                    outcome,
                    up = traffic.up,
                    down = traffic.down,
                    duration = ?self.started.elapsed(),
                    "{of} ended"
                )
            }};
        }
        if self.relays {
            ended!(info);
        } else {
            ended!(debug);
        }
    }
}

/// The field `outcome`.
enum Outcome {
    Is(&'static str),
    /// Where a client failed.
    At(Step),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(outcome) => f.write_str(outcome),
            Self::At(step) => step.fmt(f),
        }
    }
}
