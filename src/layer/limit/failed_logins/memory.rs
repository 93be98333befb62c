//! Failures, and where names have logged in: both bounded.

use std::{collections::HashMap, hash::Hash, mem, net::IpAddr, time::Duration};

use tokio::time::Instant;

use super::LoginKey;

/// Entries in each of two generations that are remembered.
const GENERATION: usize = 32 * 1024;

/// One failure is forgiven after so long.
const FORGIVEN: Duration = Duration::from_secs(60);

/// Failures beyond the free ones that are remembered, and so a quarter of an hour without one clears all of them.
const MOST: u32 = 12;

/// Returns how many failures are remembered of one of whom so many are free.
pub(super) const fn most(free: u32) -> u32 {
    free.saturating_add(MOST)
}

/// A name is known where it has logged in for so long.
const KNOWN: Duration = Duration::from_secs(24 * 3600);

/// Networks in which a name is known. So one user cannot make those of others be forgotten.
const NETWORKS: usize = 8;

#[derive(Default)]
pub(super) struct Memory {
    failures: Generations<LoginKey, Record>,
    known: Generations<u64, Vec<(IpAddr, Instant)>>,
}

/// Failures of one.
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// Those that are not forgiven.
    pub(super) failures: u32,
    /// All since it was last clear.
    pub(super) all: u32,
    since: Instant,
}

impl Memory {
    /// Returns the failures of one, as they are now.
    pub(super) fn failures(&self, counted: LoginKey) -> Record {
        let now = Instant::now();
        let clear = Record {
            failures: 0,
            all: 0,
            since: now,
        };
        let Some(record) = self.failures.get(&counted) else {
            return clear;
        };
        let age = now.saturating_duration_since(record.since);
        let forgiven = age.as_secs() / FORGIVEN.as_secs();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        match record.failures.checked_sub(forgiven) {
            None | Some(0) => clear,
            Some(failures) => Record {
                failures,
                since: record.since + FORGIVEN * forgiven,
                ..*record
            },
        }
    }

    /// Counts a failure, and returns how many there are now.
    pub(super) fn failed(&mut self, counted: LoginKey, free: u32) -> u32 {
        let mut record = self.failures(counted);
        record.failures = (record.failures + 1).min(most(free));
        record.all = record.all.saturating_add(1);
        self.failures.insert(counted, record);
        record.failures
    }

    /// Takes over what others have counted, if that is more.
    pub(super) fn learn(&mut self, counted: LoginKey, failures: u32, free: u32) {
        let record = self.failures(counted);
        let failures = failures.min(most(free));
        if failures > record.failures {
            let all = record.all.max(failures);
            let since = Instant::now();
            let learnt = Record {
                failures,
                all,
                since,
            };
            self.failures.insert(counted, learnt);
        }
    }

    /// Tells whether a name has logged in from a client network.
    pub(super) fn knows(&self, client: IpAddr, name: u64) -> bool {
        self.known.get(&name).is_some_and(|networks| {
            networks
                .iter()
                .any(|(network, at)| *network == client && at.elapsed() < KNOWN)
        })
    }

    /// Notes that a name has logged in from a client network.
    pub(super) fn succeeded(&mut self, client: IpAddr, name: u64) {
        let mut networks = self.known.get(&name).cloned().unwrap_or_default();
        networks.retain(|(network, _)| *network != client);
        if networks.len() >= NETWORKS {
            // The one that was longest not seen.
            networks.remove(0);
        }
        networks.push((client, Instant::now()));
        self.known.insert(name, networks);
    }
}

/// A map that forgets what was not inserted for longest.
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}
