//! Numbers of what waits.

/// The gauge of lookups that wait for a turn.
pub(crate) const LOOKUPS_WAITING: &str = "socks_lookups_waiting";

/// The gauge of logins that wait to be verified.
pub(crate) const VERIFICATIONS_WAITING: &str = "socks_verifications_waiting";

/// One that waits, until it is dropped.
pub(crate) struct Waiting(&'static str);

impl Waiting {
    pub(crate) fn new(gauge: &'static str) -> Self {
        count(gauge, 1.0);
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        count(self.0, -1.0);
    }
}

#[cfg(feature = "metrics")]
fn count(gauge: &'static str, more: f64) {
    metrics::gauge!(gauge).increment(more);
}

#[cfg(not(feature = "metrics"))]
fn count(_: &'static str, _: f64) {}
