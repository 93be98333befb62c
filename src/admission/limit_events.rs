//! Who has reached a limit: said once when that happens, and once when it is over.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Keys that are remembered; with more of them, all are forgotten.
const MOST: usize = 16 * 1024;

/// The name under which the `metrics` facade counts what happens at limits.
#[cfg(feature = "metrics")]
pub(crate) const LIMITS: &str = "socks_limit_events_total";

/// The keys that are at one limit now.
pub(crate) struct AtLimit<K> {
    limit: &'static str,
    /// Whether there are any: most of the time there are none.
    any: AtomicBool,
    keys: Mutex<HashSet<K>>,
}

impl<K: Hash + Eq + Clone + Debug> AtLimit<K> {
    /// Nobody yet, at the limit of this name.
    pub(crate) fn new(limit: &'static str) -> Self {
        Self {
            limit,
            any: AtomicBool::new(false),
            keys: Mutex::default(),
        }
    }

    /// The key was refused, or has to wait.
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
        tracing::info!(limit = self.limit, ?key, "limit reached");
        count(self.limit, "reached");
    }

    /// The key has room again. Costs nothing where nobody has reached the limit.
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
        tracing::info!(limit = self.limit, ?key, "below the limit again");
        count(self.limit, "released");
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<K>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is held back by a bandwidth, or is not any more. Quieter: traffic comes in bursts.
pub(crate) fn held_back(limit: &'static str, key: &str, is: bool) {
    if is {
        tracing::debug!(limit, key, "limit reached");
        count(limit, "reached");
    } else {
        tracing::debug!(limit, key, "below the limit again");
        count(limit, "released");
    }
}

#[cfg(feature = "metrics")]
fn count(limit: &'static str, event: &'static str) {
    metrics::counter!(LIMITS, "limit" => limit, "event" => event).increment(1);
}

#[cfg(not(feature = "metrics"))]
fn count(_: &'static str, _: &'static str) {}
