//! The rules that are looked at for a query.

use smallvec::SmallVec;

use super::{
    index::{Deferred, Found, Index},
    postings::RuleId,
};

/// Candidates in the order of the rules.
pub(super) struct Candidates<'a> {
    heads: SmallVec<[&'a [RuleId]; 12]>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(index: &'a Index, keys: impl Iterator<Item = Found<'a>>) -> Self {
        Self::merge(keys.map(|found| found.home), &index.unkeyed)
    }

    /// Those that can still match while the destination's address is not known.
    pub(super) fn deferred(index: &'a Index, keys: impl Iterator<Item = Found<'a>>) -> Self {
        Self::of(&index.deferred, keys)
    }

    /// Those that deny, and would have to know the address.
    pub(super) fn unjudged(index: &'a Index, keys: impl Iterator<Item = Found<'a>>) -> Self {
        Self::of(&index.unjudged, keys)
    }

    fn of(deferred: &'a Deferred, keys: impl Iterator<Item = Found<'a>>) -> Self {
        Self::merge(
            keys.map(|found| deferred.keyed.get(found.key)),
            &deferred.unkeyed,
        )
    }

    fn merge(keyed: impl Iterator<Item = &'a [RuleId]>, unkeyed: &'a [RuleId]) -> Self {
        let heads = keyed.chain([unkeyed]);
        Self {
            heads: heads.filter(|head| !head.is_empty()).collect(),
        }
    }

    /// Both, in the order of the rules.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.heads.extend(other.heads);
        self
    }
}

impl Iterator for Candidates<'_> {
    type Item = RuleId;

    fn next(&mut self) -> Option<RuleId> {
        // Mostly there is nothing to merge.
        if let [head] = self.heads.as_mut_slice() {
            let (first, rest) = head.split_first()?;
            *head = rest;
            return Some(*first);
        }
        let next = self
            .heads
            .iter()
            .filter_map(|head| head.first().copied())
            .min()?;
        for head in &mut self.heads {
            if let [first, rest @ ..] = *head
                && *first == next
            {
                *head = rest;
            }
        }
        Some(next)
    }
}
