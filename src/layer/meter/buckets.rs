//! The buckets of each key, kept until they are paid.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::time::Instant;

use super::{Rates, token_bucket::Bucket};
use crate::{
    admission::{Fullest, held_back},
    io::Direction,
};

/// Keys without tunnels that are remembered because they have moved more than their rate allows.
const MOST: usize = 16 * 1024;

/// Keys that there may be before those that are paid are looked for.
const CROWD: usize = 64;

/// The buckets of one key, up and down.
#[derive(Debug)]
pub(super) struct Buckets {
    up: Bucket,
    down: Bucket,
    /// What the log says.
    key: Box<str>,
    tunnels: AtomicUsize,
}

impl Buckets {
    pub(super) fn new<K: fmt::Debug>(rates: Rates, key: &K) -> Arc<Self> {
        Arc::new(Self {
            up: Bucket::new(rates.up, rates.up_burst),
            down: Bucket::new(rates.down, rates.down_burst),
            key: format!("{key:?}").into(),
            tunnels: AtomicUsize::new(0),
        })
    }

    /// Returns the bucket of a direction, if it bounds anything.
    pub(super) fn of(&self, direction: Direction) -> Option<&Bucket> {
        Some(self.any(direction)).filter(|bucket| bucket.is_limited())
    }

    /// Returns the bucket of a direction, whether it bounds anything or not.
    pub(super) const fn any(&self, direction: Direction) -> &Bucket {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// Sets the rates, of tunnels that are open as well.
    fn set(&self, rates: Rates) {
        self.up.set(rates.up, rates.up_burst);
        self.down.set(rates.down, rates.down_burst);
    }

    pub(super) fn held_back(&self, direction: Direction, is: bool) {
        let limit = match direction {
            Direction::Up => "bandwidth up",
            Direction::Down => "bandwidth down",
        };
        held_back(limit, &self.key, is);
    }

    /// Returns when everything that has moved, in both directions, is paid for.
    fn paid(&self) -> Option<Instant> {
        let paid = |direction| self.of(direction).map(Bucket::paid);
        paid(Direction::Up).max(paid(Direction::Down))
    }

    fn is_idle(&self) -> bool {
        self.tunnels.load(Ordering::Acquire) == 0
    }
}

/// The buckets of a key, for one tunnel of it.
#[derive(Debug)]
pub(super) struct Tunnel(Arc<Buckets>);

impl Tunnel {
    pub(super) fn new(buckets: Arc<Buckets>) -> Self {
        buckets.tunnels.fetch_add(1, Ordering::Relaxed);
        Self(buckets)
    }
}

impl std::ops::Deref for Tunnel {
    type Target = Buckets;

    fn deref(&self) -> &Buckets {
        &self.0
    }
}

/// A key without tunnels is not held back any more.
impl Drop for Tunnel {
    fn drop(&mut self) {
        if self.0.tunnels.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        for direction in [Direction::Up, Direction::Down] {
            if self.0.any(direction).relieve() {
                self.0.held_back(direction, false);
            }
        }
    }
}

/// The keys that have tunnels, and those that have more to pay.
pub(super) struct Known<K> {
    keys: Mutex<Keys<K>>,
}

struct Keys<K> {
    buckets: HashMap<K, Arc<Buckets>>,
    /// The number of keys at which those that are paid are looked for.
    crowd: usize,
}

impl<K: Hash + Eq + Clone + fmt::Debug> Known<K> {
    /// Returns the buckets of a key for a new tunnel of it. Rates that vary are those of the key from here on.
    pub(super) fn tunnel(&self, rates: Rates, varies: bool, key: K) -> Tunnel {
        let mut keys = self.keys();
        if let Some(buckets) = keys.buckets.get(&key) {
            let tunnel = Tunnel::new(Arc::clone(buckets));
            drop(keys);
            if varies {
                tunnel.set(rates);
            }
            return tunnel;
        }
        if keys.buckets.len() >= keys.crowd {
            keys.forget();
        }
        let buckets = Buckets::new(rates, &key);
        let tunnel = Tunnel::new(Arc::clone(&buckets));
        keys.buckets.insert(key, buckets);
        tunnel
    }
}

impl<K: Clone> Known<K> {
    /// Sets the rates of all keys that are remembered.
    pub(super) fn set(&self, rates: impl Fn(&K) -> Option<Rates>) {
        // Not while they are locked: those that wait are woken.
        let all: Vec<_> = {
            let keys = self.keys();
            let all = keys.buckets.iter();
            all.map(|(key, buckets)| (key.clone(), Arc::clone(buckets)))
                .collect()
        };
        for (key, buckets) in all {
            buckets.set(rates(&key).unwrap_or_default());
        }
    }

    /// Looks at how full the buckets are, the fuller one of each key.
    pub(super) fn look(&self, fullest: &mut Fullest<K>) {
        for (key, buckets) in &self.keys().buckets {
            let levels = [Direction::Up, Direction::Down].map(|direction| buckets.of(direction));
            let mut one = Fullest::new(1);
            for (used, most) in levels.into_iter().flatten().map(Bucket::level) {
                one.see(&(), used, most);
            }
            for level in one.into_vec() {
                fullest.see(key, level.used, level.most);
            }
        }
    }
}

impl<K> Known<K> {
    /// Returns how many keys have tunnels.
    pub(super) fn in_use(&self) -> usize {
        let keys = self.keys();
        keys.buckets.values().filter(|it| !it.is_idle()).count()
    }

    /// Returns how many keys are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.keys().buckets.len()
    }

    fn keys(&self) -> MutexGuard<'_, Keys<K>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Keys<K> {
    /// Forgets keys without tunnels: those that are paid, and of too many others those that have the
    /// least to pay.
    fn forget(&mut self) {
        let now = Instant::now();
        let owes = |buckets: &Buckets| buckets.paid().is_some_and(|paid| paid > now);
        self.buckets.retain(|_, it| !it.is_idle() || owes(it));
        let idle = self.buckets.values().filter(|it| it.is_idle());
        let mut debts: Vec<_> = idle.filter_map(|it| it.paid()).collect();
        if let Some(excess) = debts.len().checked_sub(MOST / 2).filter(|it| *it > 0) {
            let (_, most, _) = debts.select_nth_unstable(excess - 1);
            let (most, mut left) = (*most, excess);
            self.buckets.retain(|_, it| {
                let goes = left > 0 && it.is_idle() && it.paid().is_some_and(|it| it <= most);
                left -= usize::from(goes);
                !goes
            });
        }
        let len = self.buckets.len();
        self.crowd = (len * 2).clamp(CROWD, len + MOST / 2);
        self.buckets.shrink_to(self.crowd);
    }
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self {
            keys: Mutex::new(Keys {
                buckets: HashMap::new(),
                crowd: CROWD,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const RATES: Rates = Rates::new().up(1000);

    fn spend(known: &Known<usize>, key: usize, bytes: usize) {
        let tunnel = known.tunnel(RATES, false, key);
        let _ = tunnel.of(Direction::Up).map(|bucket| bucket.charge(bytes));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_paid_is_forgotten_and_what_is_not_is_bounded() {
        let known = Known::default();
        let _held = known.tunnel(RATES, false, usize::MAX);
        // Each has a day to pay, and one two days.
        spend(&known, usize::MAX - 1, 2 * 86_400_000);
        for key in 0..100_000 {
            spend(&known, key, 86_400_000);
        }
        assert!(known.len() <= MOST + CROWD, "{}", known.len());
        assert_eq!(known.in_use(), 1);
        let debtor = known.tunnel(RATES, false, usize::MAX - 1);
        let paid = debtor.paid().unwrap();
        assert!(paid > Instant::now() + Duration::from_secs(86_400));
        drop(debtor);

        advance(Duration::from_secs(3 * 86_400)).await;
        for key in 0..100_000 {
            spend(&known, key, 0);
        }
        assert!(known.len() <= 2 * MOST, "{}", known.len());
        known.keys().forget();
        assert_eq!(known.len(), 1);
    }
}
