//! What is remembered, and what is going on.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use super::{LoginKey, memory::Memory};

#[derive(Default)]
pub(super) struct State {
    pub(super) memory: Memory,
    /// Those of whom an attempt has begun or waits: no more than there are connections.
    pub(super) live: HashMap<LoginKey, Live>,
}

#[derive(Default)]
pub(super) struct Live {
    /// Begun at once, and without a verdict.
    pub(super) open: u32,
    /// The same, after a delay, or still in it.
    pub(super) slow: u32,
    /// Waiting for those to have one.
    pub(super) waiting: u32,
    /// Of those that ended while others were open.
    pub(super) successes: u32,
}

impl Live {
    /// Returns the count of those that begin after such a delay.
    pub(super) fn begun(&mut self, delay: Duration) -> &mut u32 {
        if delay.is_zero() {
            &mut self.open
        } else {
            &mut self.slow
        }
    }

    const fn is_over(&self) -> bool {
        self.open == 0 && self.slow == 0 && self.waiting == 0
    }
}

impl State {
    /// Changes what is live of one, and forgets it when nothing is.
    pub(super) fn release(&mut self, counted: LoginKey, change: impl FnOnce(&mut Live)) {
        if let Entry::Occupied(mut entry) = self.live.entry(counted) {
            change(entry.get_mut());
            if entry.get().is_over() {
                entry.remove();
            }
        }
    }
}
