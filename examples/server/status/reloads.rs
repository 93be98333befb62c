//! Whether the file in force is the latest one, for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::{Unit, describe_gauge, gauge};

const SUCCESSFUL: &str = "socks_config_last_reload_successful";
const SUCCESS_TIME: &str = "socks_config_last_reload_success_timestamp_seconds";

/// When a file was put in force last, in milliseconds since 1970. The start is the first time.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Describes the numbers, and tells what is known by now: numbers may be asked for later than at the start.
pub(super) fn register() {
    describe_gauge!(
        SUCCESSFUL,
        "Whether the file was put in force when it was read last."
    );
    describe_gauge!(
        SUCCESS_TIME,
        Unit::Seconds,
        "When a file was put in force last."
    );
    succeeded();
}

/// A file is in force.
pub(crate) fn succeeded() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    LAST.store(
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        Ordering::Relaxed,
    );
    tell(true);
}

/// One was read, and what was in force is kept.
pub(crate) fn failed() {
    tell(false);
}

fn tell(is_successful: bool) {
    let last = std::time::Duration::from_millis(LAST.load(Ordering::Relaxed));
    gauge!(SUCCESS_TIME).set(last.as_secs_f64());
    gauge!(SUCCESSFUL).set(if is_successful { 1.0 } else { 0.0 });
}
