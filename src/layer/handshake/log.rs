//! The log line at the end of a session.

use tokio::time::Instant;

use crate::{
    error::{Chain, Fault, SessionError, Step, find},
    relay::{RelayError, Traffic},
};

/// Logs the end of a session, inside its span, at the level of whose fault it was.
pub(super) fn report(outcome: &Result<Traffic, SessionError>, started: Instant) {
    macro_rules! ended {
        ($level:ident, $outcome:expr, $traffic:expr $(, $($field:tt)+)?) => {
            tracing::$level!(
                outcome = %$outcome,
                up = $traffic.up,
                down = $traffic.down,
                duration = ?started.elapsed(),
                $($($field)+,)?
                "session ended"
            )
        };
    }
    let error = match outcome {
        Ok(traffic) => {
            ended!(info, "done", traffic);
            return;
        }
        Err(error) => error,
    };
    let traffic = find::<RelayError>(error).map_or_else(Traffic::default, RelayError::traffic);
    let cause = Chain(error);
    match error.fault() {
        // Octets have moved, which is worth a line at info whatever ended it.
        Fault::Client | Fault::Target if error.step() == Step::Relay => {
            ended!(info, "broken", traffic, error = %cause);
        }
        Fault::Client => ended!(debug, error.step(), traffic, error = %cause),
        Fault::Refused => ended!(info, "refused", traffic, error = %cause),
        Fault::Target => ended!(info, "unreachable", traffic, error = %cause),
        Fault::Server => ended!(warn, "failed", traffic, error = %cause),
    }
}
