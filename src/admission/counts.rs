//! Live counts by key.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Fullest, Fullness};

/// Counts what is live, by key: connections, associations or tunnels. Clones share the counts.
///
/// A key is remembered for as long as it has a [`Count`], and with it a `V` that all of them share.
pub(crate) struct Counts<K, V = ()> {
    live: Arc<Mutex<HashMap<K, Live<V>>>>,
}

struct Live<V> {
    count: usize,
    /// How many it may have, where that is known here.
    most: usize,
    #[cfg_attr(not(feature = "limit"), expect(dead_code, reason = "a unit then"))]
    shared: V,
}

/// Counts one of a key until it is dropped.
pub(crate) struct Count<K: Hash + Eq, V = ()> {
    counts: Counts<K, V>,
    key: K,
    #[cfg_attr(not(feature = "limit"), expect(dead_code, reason = "a unit then"))]
    shared: V,
}

#[cfg(feature = "limit")]
impl<K: Hash + Eq + Clone, V: Clone> Counts<K, V> {
    /// Counts one more of this key, however many there are. The first makes what they share.
    pub(crate) fn enter(&self, key: K, shared: impl FnOnce() -> V) -> Count<K, V> {
        let mut live = self.lock();
        let entry = live.entry(key.clone()).or_insert_with(|| Live {
            count: 0,
            most: usize::MAX,
            shared: shared(),
        });
        entry.count += 1;
        let shared = entry.shared.clone();
        drop(live);
        Count {
            counts: self.clone(),
            key,
            shared,
        }
    }

    /// Returns what those of this key share, if there are any.
    pub(crate) fn shared(&self, key: &K) -> Option<V> {
        self.lock().get(key).map(|live| live.shared.clone())
    }
}

impl<K: Hash + Eq + Clone> Counts<K> {
    /// Counts one more of this key, unless there are `most` already.
    pub(crate) fn enter_below(&self, key: K, most: usize) -> Option<Count<K>> {
        let mut live = self.lock();
        match live.entry(key.clone()) {
            Entry::Occupied(mut entry) => {
                let live = entry.get_mut();
                live.most = most;
                if live.count >= most {
                    return None;
                }
                live.count += 1;
            }
            Entry::Vacant(_) if most == 0 => return None,
            Entry::Vacant(entry) => {
                entry.insert(Live {
                    count: 1,
                    most,
                    shared: (),
                });
            }
        }
        drop(live);
        Some(Count {
            counts: self.clone(),
            key,
            shared: (),
        })
    }
}

impl<K: Clone> Counts<K> {
    /// Returns the keys with the largest share of what they may have. Looks at all keys.
    pub(crate) fn fullest(&self, most: usize) -> Vec<Fullness<K>> {
        let mut fullest = Fullest::new(most);
        for (key, live) in &*self.lock() {
            fullest.see(key, live.count as u64, live.most as u64);
        }
        fullest.into_vec()
    }
}

impl<K: Clone, V> Counts<K, V> {
    /// Returns the key with the most, and how many it has. Looks at all keys.
    pub(crate) fn largest(&self) -> Option<(K, usize)> {
        let live = self.lock();
        let (key, most) = live.iter().max_by_key(|(_, live)| live.count)?;
        Some((key.clone(), most.count))
    }
}

#[cfg(feature = "limit")]
impl<K, V> Counts<K, V> {
    /// Looks at all keys, with what those of each share.
    pub(crate) fn each(&self, mut see: impl FnMut(&K, &V)) {
        for (key, live) in &*self.lock() {
            see(key, &live.shared);
        }
    }
}

impl<K, V> Counts<K, V> {
    /// Returns the number of keys that are live.
    pub(crate) fn keys(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Live<V>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Count<K, V> {
    pub(crate) const fn key(&self) -> &K {
        &self.key
    }

    /// Returns what all of this key share.
    #[cfg(feature = "limit")]
    pub(crate) const fn shared(&self) -> &V {
        &self.shared
    }
}

impl<K: Hash + Eq, V> Drop for Count<K, V> {
    fn drop(&mut self) {
        let mut live = self.counts.lock();
        if let Some(entry) = live.get_mut(&self.key) {
            entry.count -= 1;
            if entry.count == 0 {
                live.remove(&self.key);
            }
        }
    }
}

impl<K, V> Clone for Counts<K, V> {
    fn clone(&self) -> Self {
        Self {
            live: Arc::clone(&self.live),
        }
    }
}

impl<K, V> Default for Counts<K, V> {
    fn default() -> Self {
        Self {
            live: Arc::default(),
        }
    }
}

impl<K, V> fmt::Debug for Counts<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counts(of {} keys)", self.keys())
    }
}

impl<K: Hash + Eq + fmt::Debug, V> fmt::Debug for Count<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Count").field(&self.key).finish()
    }
}
