//! The last line of a session in the log.

use tokio::time::Instant;

use crate::{
    error::{Chain, Fault, SessionError, Step, find},
    relay::{RelayError, Traffic},
};

/// One event inside the span of the session, at the level of whose fault it was.
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
        // Bytes have moved: that is worth a line, whoever broke it off.
        Fault::Client | Fault::Target if error.step() == Step::Relay => {
            ended!(info, "broken", traffic, error = %cause);
        }
        Fault::Client => ended!(debug, error.step(), traffic, error = %cause),
        Fault::Refused => ended!(info, "refused", traffic, error = %cause),
        Fault::Target => ended!(info, "unreachable", traffic, error = %cause),
        Fault::Server => ended!(warn, "failed", traffic, error = %cause),
    }
}
