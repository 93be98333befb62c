//! The counts of a day and of its month.

use std::{collections::HashMap, hash::Hash, time::SystemTime};

use super::{Quotas, file::Used, period::Period};

pub(super) struct State<K> {
    pub(super) period: Period,
    /// The times between which that is the period.
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
    pub(super) keys: HashMap<K, Entry>,
}

/// What one key has used, and may use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// What the file says, the counts of other processes included.
    pub(super) saved: Used,
    /// What has come since then, less what was given back.
    pub(super) since: Since,
    /// If it has other quotas than all.
    pub(super) own: Option<Quotas>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) day: i64,
    pub(super) month: i64,
}

impl Entry {
    pub(super) fn used(&self) -> Used {
        Used {
            day: self.saved.day.saturating_add_signed(self.since.day),
            month: self.saved.month.saturating_add_signed(self.since.month),
        }
    }

    pub(super) fn left(&self, quotas: Quotas) -> u64 {
        let quotas = self.own.unwrap_or(quotas);
        let used = self.used();
        let left = |most: Option<u64>, used: u64| match most {
            None | Some(u64::MAX) => u64::MAX,
            Some(most) => most.saturating_sub(used),
        };
        left(quotas.day, used.day).min(left(quotas.month, used.month))
    }

    pub(super) fn add(&mut self, bytes: i64) {
        self.since.day = self.since.day.saturating_add(bytes);
        self.since.month = self.since.month.saturating_add(bytes);
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    /// Begins the counts of a day or a month anew that is later than the one before. A clock that was set back changes no
    /// count.
    pub(super) fn begin(&mut self, period: Period) {
        let before = std::mem::replace(&mut self.period, period);
        let (day, month) = (period.day > before.day, period.month > before.month);
        for entry in self.keys.values_mut() {
            if day {
                (entry.saved.day, entry.since.day) = (0, 0);
            }
            if month {
                (entry.saved.month, entry.since.month) = (0, 0);
            }
        }
    }

    pub(super) fn entry(&mut self, key: &K, most: usize) -> &mut Entry {
        if !self.keys.contains_key(key) {
            if self.keys.len() >= most {
                self.bound(most / 2);
            }
            self.keys.insert(key.clone(), Entry::default());
        }
        self.keys.entry(key.clone()).or_default()
    }

    /// Forgets keys beyond so many: those that have used the least.
    pub(super) fn bound(&mut self, most: usize) {
        bound(&mut self.keys, most, |entry| entry.used().month);
    }
}

/// Takes out keys beyond so many: those that have used the least.
pub(super) fn bound<K: Hash + Eq, V>(
    keys: &mut HashMap<K, V>,
    most: usize,
    used: impl Fn(&V) -> u64,
) {
    let Some(mut left) = keys.len().checked_sub(most).filter(|it| *it > 0) else {
        return;
    };
    let mut all: Vec<u64> = keys.values().map(&used).collect();
    let (_, least, _) = all.select_nth_unstable(left - 1);
    let least = *least;
    left -= all.iter().filter(|used| **used < least).count();
    keys.retain(|_, value| {
        let used = used(value);
        if used == least && left > 0 {
            left -= 1;
            return false;
        }
        used >= least
    });
}
