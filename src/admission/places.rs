//! Places: live counts by key under a bound, with events of keys at it.

use std::{
    fmt::{self, Debug},
    hash::Hash,
    sync::Arc,
};

use super::{Count, Counts, Fullness, LimitEvents};

/// So many places for each key. Clones share them.
pub(crate) struct Places<K> {
    taken: Counts<K>,
    events: Arc<LimitEvents<K>>,
}

impl<K: Hash + Eq + Clone + Debug> Places<K> {
    /// Creates the places of the limit of this name.
    pub(crate) fn new(limit: &'static str) -> Self {
        Self {
            taken: Counts::default(),
            events: Arc::new(LimitEvents::new(limit)),
        }
    }

    /// Takes a place of this key, unless `most` are taken.
    pub(crate) fn take(&self, key: K, most: usize) -> Option<Place<K>> {
        match self.taken.enter_below(key.clone(), most) {
            Some(count) => Some(Place {
                count,
                events: Arc::clone(&self.events),
            }),
            None => {
                self.events.reached(&key);
                None
            }
        }
    }

    /// Returns the keys with the largest share of their places, the fullest first.
    pub(crate) fn fullest(&self, most: usize) -> Vec<Fullness<K>> {
        self.taken.fullest(most)
    }
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self {
            taken: self.taken.clone(),
            events: Arc::clone(&self.events),
        }
    }
}

impl<K> Debug for Places<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places(of {} keys)", self.taken.keys())
    }
}

/// One place, free again once this is dropped.
pub(crate) struct Place<K: Hash + Eq + Clone + Debug> {
    count: Count<K>,
    events: Arc<LimitEvents<K>>,
}

impl<K: Hash + Eq + Clone + Debug> Drop for Place<K> {
    fn drop(&mut self) {
        self.events.left(self.count.key());
    }
}

impl<K: Hash + Eq + Clone + Debug> Debug for Place<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(self.count.key()).finish()
    }
}
