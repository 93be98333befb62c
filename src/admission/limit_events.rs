//! Edge-triggered events: a key reaches a limit, or leaves it.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::LogBudget;

/// Keys at a limit that are remembered; with more of them, all are forgotten.
const MOST: usize = 16 * 1024;

/// The name of the metric that counts these events.
#[cfg(feature = "metrics")]
pub(crate) const LIMITS: &str = "socks_limit_events_total";

/// Logs and counts when a key reaches one limit, and when it leaves it: an event each, however many
/// requests are refused in between. Clients that cross the limit to and fro, or come from ever new
/// addresses, write some lines and then one a second; all events are counted in the metrics.
pub(crate) struct LimitEvents<K> {
    limit: &'static str,
    /// Whether any key is at the limit: most of the time there is none.
    any: AtomicBool,
    keys: Mutex<HashSet<K>>,
    lines: LogBudget,
}

impl<K: Hash + Eq + Clone + Debug> LimitEvents<K> {
    /// Creates the events of the limit of this name.
    pub(crate) fn new(limit: &'static str) -> Self {
        Self {
            limit,
            any: AtomicBool::new(false),
            keys: Mutex::default(),
            lines: LogBudget::new(20, Duration::from_secs(1)),
        }
    }

    /// Notes that the key was refused, or has to wait.
    pub(crate) fn reached(&self, key: &K) {
        let mut keys = self.keys();
        if keys.contains(key) {
            return;
        }
        if keys.len() >= MOST {
            keys.clear();
        }
        keys.insert(key.clone());
        self.any.store(true, Ordering::Relaxed);
        drop(keys);
        if let Some(before) = self.lines.take() {
            let suppressed = before.field();
            tracing::info!(limit = self.limit, ?key, suppressed, "limit reached");
        }
        count_event(self.limit, "reached");
    }

    /// Notes that the key is below the limit. Costs nothing while no key is at it.
    pub(crate) fn left(&self, key: &K) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let mut keys = self.keys();
        if !keys.remove(key) {
            return;
        }
        self.any.store(!keys.is_empty(), Ordering::Relaxed);
        drop(keys);
        if let Some(before) = self.lines.take() {
            let suppressed = before.field();
            tracing::info!(
                limit = self.limit,
                ?key,
                suppressed,
                "below the limit again"
            );
        }
        count_event(self.limit, "released");
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<K>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs and counts that a key is held back, or is no longer: at debug, since traffic comes in
/// bursts.
pub(crate) fn held_back(limit: &'static str, key: &str, is: bool) {
    if is {
        tracing::debug!(limit, key, "limit reached");
        count_event(limit, "reached");
    } else {
        tracing::debug!(limit, key, "below the limit again");
        count_event(limit, "released");
    }
}

#[cfg(feature = "metrics")]
/// Counts an event of a limit.
pub(crate) fn count_event(limit: &'static str, event: &'static str) {
    metrics::counter!(LIMITS, "limit" => limit, "event" => event).increment(1);
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn count_event(_: &'static str, _: &'static str) {}
