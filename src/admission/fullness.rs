//! How full limits are.

use std::cmp::Ordering;

/// How full a limit is for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fullness<K> {
    /// Whom it is counted for.
    pub key: K,
    /// What is used.
    pub used: u64,
    /// What may be used. A limit that was lowered is exceeded until enough has ended.
    pub most: u64,
}

impl<K> Fullness<K> {
    pub(crate) const fn new(key: K, used: u64, most: u64) -> Self {
        Self { key, used, most }
    }

    fn share(&self) -> (u128, u128) {
        (self.used.into(), u128::from(self.most).max(1))
    }
}

/// Compares the used shares of two limits, and of equal ones what is used.
fn compare<A, B>(one: &Fullness<A>, other: &Fullness<B>) -> Ordering {
    let ((used, most), (other_used, other_most)) = (one.share(), other.share());
    let shares = (used * other_most).cmp(&(other_used * most));
    shares.then(one.used.cmp(&other.used))
}

/// The fullest of many, the fullest first.
#[derive(Debug)]
pub(crate) struct Fullest<K> {
    most: usize,
    found: Vec<Fullness<K>>,
}

impl<K: Clone> Fullest<K> {
    /// Looks for so many.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            most,
            found: Vec::new(),
        }
    }

    /// Looks at one. Its key is cloned only if it is one of them so far.
    pub(crate) fn see(&mut self, key: &K, used: u64, most: u64) {
        let seen = Fullness::new((), used, most);
        if self.found.len() >= self.most
            && self
                .found
                .last()
                .is_none_or(|last| compare(&seen, last).is_le())
        {
            return;
        }
        let at = self
            .found
            .partition_point(|found| compare(found, &seen).is_ge());
        self.found
            .insert(at, Fullness::new(key.clone(), used, most));
        self.found.truncate(self.most);
    }

    pub(crate) fn into_vec(self) -> Vec<Fullness<K>> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_are_found_in_any_order() {
        let mut fullest = Fullest::new(3);
        let all = [
            ("tenth", 1, 10),
            ("above", 3, 2),
            ("nothing allowed", 1, 0),
            ("half", 5, 10),
            ("all of a lot", u64::MAX - 1, u64::MAX - 1),
            ("all", 10, 10),
            ("none", 0, 10),
        ];
        for (key, used, most) in all {
            fullest.see(&key, used, most);
        }
        let keys: Vec<_> = fullest.into_vec().iter().map(|it| it.key).collect();
        assert_eq!(keys, ["above", "all of a lot", "all"]);

        let mut nothing = Fullest::new(0);
        nothing.see(&"all", 1, 1);
        assert!(nothing.into_vec().is_empty());
    }
}
