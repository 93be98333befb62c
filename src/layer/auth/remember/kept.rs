//! Outcomes that are kept for a time.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::session::Identity;

/// An HMAC.
pub(super) type Code = [u8; 32];

/// Stands for a question: first for its name, so that those of a name lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) name: Code,
    /// The name, the password, and what else matters.
    pub(super) login: Code,
}

impl Mark {
    /// All of a name.
    pub(super) fn all_of<T>(marked: &BTreeMap<Self, T>, name: Code) -> Vec<Self> {
        let at = |login| Self { name, login };
        let marks = marked.range(at([0; 32])..=at([u8::MAX; 32]));
        marks.map(|(mark, _)| *mark).collect()
    }
}

/// What is dropped once the lock is free: extensions of an identity may be anything.
pub(super) type Gone = Vec<Option<Identity>>;

/// Outcomes of one kind, each for the same span. New ones take the place of the oldest.
pub(super) struct Kept {
    /// No identity, where the outcome is a no.
    outcomes: BTreeMap<Mark, (Instant, Option<Identity>)>,
    /// Since when each is there. One that was forgotten may still be in here.
    order: VecDeque<(Instant, Mark)>,
}

impl Kept {
    pub(super) const fn new() -> Self {
        Self {
            outcomes: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }

    pub(super) fn get(&self, mark: &Mark) -> Option<&Option<Identity>> {
        self.outcomes.get(mark).map(|(_, outcome)| outcome)
    }

    /// Keeps an outcome since now, one of `most`, which is not 0.
    pub(super) fn insert(
        &mut self,
        mark: Mark,
        outcome: Option<Identity>,
        most: usize,
        gone: &mut Gone,
    ) {
        while self.order.len() >= most {
            self.drop_oldest(gone);
        }
        let now = Instant::now();
        self.order.push_back((now, mark));
        let before = self.outcomes.insert(mark, (now, outcome));
        gone.extend(before.map(|(_, outcome)| outcome));
    }

    /// Drops those that have been there for a span, and the room that they had.
    pub(super) fn expire(&mut self, span: Duration, gone: &mut Gone) {
        while self
            .order
            .front()
            .is_some_and(|(since, _)| since.elapsed() >= span)
        {
            self.drop_oldest(gone);
        }
        // Not at once, so that one that comes and goes costs no allocation each time.
        if self.order.capacity() > 64 + 4 * self.order.len() {
            self.order.shrink_to(2 * self.order.len());
        }
    }

    fn drop_oldest(&mut self, gone: &mut Gone) {
        let Some((since, mark)) = self.order.pop_front() else {
            return;
        };
        // Or it was forgotten, and has come back since.
        if self.outcomes.get(&mark).is_some_and(|kept| kept.0 == since) {
            gone.extend(self.outcomes.remove(&mark).map(|(_, outcome)| outcome));
        }
    }

    /// Drops those of a name.
    pub(super) fn forget(&mut self, name: Code, gone: &mut Gone) {
        for mark in Mark::all_of(&self.outcomes, name) {
            gone.extend(self.outcomes.remove(&mark).map(|(_, outcome)| outcome));
        }
    }
}
