//! Which keys a node forgets when there are too many.

use std::{collections::HashMap, hash::Hash};

use super::account::Account;

/// Keys that are remembered at once.
pub(super) const MOST: usize = 64 * 1024;

/// Forgets keys of which nothing is lost; if they are not many, those whose lease expires by itself, and at last others.
pub(super) fn forget<K: Hash + Eq>(keys: &mut HashMap<K, Account>) {
    const STAY: [fn(&Account) -> bool; 3] = [
        |it| !it.is_idle(),
        Account::is_unwritten,
        Account::is_asking,
    ];
    for stays in STAY {
        if keys.len() > MOST / 8 * 7 {
            keys.retain(|_, account| stays(account));
        }
    }
}
