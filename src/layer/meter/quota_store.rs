use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::session::Share;

/// Keeps the counts of a [`ByteQuota`](super::ByteQuota): in memory, or where several proxies can
/// share them.
///
/// It is asked in the middle of a relay, so it must not block. One that counts over the network takes larger shares there,
/// ahead of time, and hands those out; where it has none, its answer comes [later](Share::Later), and the tunnel is held back
/// until then, as by a bandwidth limit.
///
/// What is taken is used soon or given back, unless the process crashes: a store that outlives it gives what it had taken back
/// itself, after a time.
pub trait QuotaStore<K>: Send + Sync + 'static {
    /// Takes up to `bytes` of what the key has left, and returns how many: 0, if nothing is left.
    fn take(&self, key: &K, bytes: u64) -> Share;

    /// Returns whether the key has anything left, when a tunnel is opened.
    fn has_left(&self, key: &K) -> Share<bool>;

    /// Gives back what was taken and not used.
    fn give_back(&self, key: &K, bytes: u64);

    /// Counts bytes that have moved without having been taken, if only as far as the key has as many left. A store that
    /// answers later counts them nevertheless.
    ///
    /// The default takes them, and drops an answer that comes later.
    fn charge(&self, key: &K, bytes: u64) {
        let _ = self.take(key, bytes);
    }
}

/// Keys that are remembered at once.
const MOST: usize = 64 * 1024;

/// Counts the bytes of each key and period in memory. The period of all keys begins at once.
///
/// It remembers 65,536 keys, or [as many as it is told](Self::most_keys): clients can come from ever new
/// addresses. Where there are more, the half that has used the least is forgotten, and has its whole
/// quota again.
pub struct MemoryStore<K> {
    bytes: u64,
    most: usize,
    period: Duration,
    used: Mutex<Used<K>>,
}

struct Used<K> {
    since: Instant,
    by: HashMap<K, u64>,
}

impl<K: Hash + Eq + Clone> MemoryStore<K> {
    /// Allows each key `bytes` in each period, the first of which begins now.
    #[must_use]
    pub fn new(bytes: u64, period: Duration) -> Self {
        Self {
            bytes,
            most: MOST,
            period,
            used: Mutex::new(Used {
                since: Instant::now(),
                by: HashMap::new(),
            }),
        }
    }

    /// Sets how many keys are remembered at once; 0 is taken for 1. With as many users as that, none of
    /// whom comes from outside, give it room for all.
    #[must_use]
    pub fn most_keys(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self
    }

    /// Returns how many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.used().by.len()
    }

    /// Returns what a key has left in this period, in bytes, without what its tunnels have taken ahead.
    pub fn left(&self, key: &K) -> u64 {
        let used = self.used();
        self.bytes
            .saturating_sub(used.by.get(key).copied().unwrap_or(0))
    }

    /// Returns the counts of the current period.
    fn used(&self) -> MutexGuard<'_, Used<K>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = used.since.elapsed();
        if passed >= self.period && !self.period.is_zero() {
            // Whole periods, so that they keep beginning at the same time.
            let rest = passed.as_nanos() % self.period.as_nanos();
            let rest = Duration::from_nanos(u64::try_from(rest).unwrap_or(0));
            used.since += passed.saturating_sub(rest);
            used.by = HashMap::new();
        }
        used
    }
}

impl<K: Hash + Eq> Used<K> {
    /// Forgets the half of the keys that has used the least.
    fn forget(&mut self) {
        let mut all: Vec<u64> = self.by.values().copied().collect();
        let mut left = all.len().div_ceil(2);
        let Some(last) = left.checked_sub(1) else {
            return;
        };
        let (_, most, _) = all.select_nth_unstable(last);
        let most = *most;
        // Those below first: of those that have used as much as it, as many as the half has room for.
        left -= self.by.values().filter(|used| **used < most).count();
        self.by.retain(|_, used| {
            if *used == most && left > 0 {
                left -= 1;
                return false;
            }
            *used >= most
        });
    }
}

impl<K> QuotaStore<K> for MemoryStore<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn take(&self, key: &K, bytes: u64) -> Share {
        let mut used = self.used();
        match used.by.get_mut(key) {
            Some(used) => {
                let taken = bytes.min(self.bytes.saturating_sub(*used));
                *used += taken;
                Share::Now(taken)
            }
            None => {
                let taken = bytes.min(self.bytes);
                if used.by.len() >= self.most {
                    used.forget();
                }
                used.by.insert(key.clone(), taken);
                Share::Now(taken)
            }
        }
    }

    fn has_left(&self, key: &K) -> Share<bool> {
        Share::Now(self.left(key) > 0)
    }

    fn give_back(&self, key: &K, bytes: u64) {
        if let Some(used) = self.used().by.get_mut(key) {
            *used = used.saturating_sub(bytes);
        }
    }
}

impl<K> fmt::Debug for MemoryStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("bytes", &self.bytes)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
