//! What a recorded tunnel has moved.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    io::{Direction, DropReason, Meter},
    relay::Traffic,
};

/// Counts what a tunnel moves. Clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<Counts>);

#[derive(Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    datagrams_up: AtomicU64,
    datagrams_down: AtomicU64,
    dropped: AtomicU64,
}

impl Counter {
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            up: self.0.up.load(Ordering::Relaxed),
            down: self.0.down.load(Ordering::Relaxed),
        }
    }

    pub(super) fn datagrams(&self) -> Traffic {
        Traffic {
            up: self.0.datagrams_up.load(Ordering::Relaxed),
            down: self.0.datagrams_down.load(Ordering::Relaxed),
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Meter for Counter {
    fn moved(&mut self, direction: Direction, bytes: usize) {
        let count = match direction {
            Direction::Up => &self.0.up,
            Direction::Down => &self.0.down,
        };
        count.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn datagrams(&mut self, direction: Direction, datagrams: usize) {
        let count = match direction {
            Direction::Up => &self.0.datagrams_up,
            Direction::Down => &self.0.datagrams_down,
        };
        count.fetch_add(datagrams as u64, Ordering::Relaxed);
    }

    fn dropped(&mut self, _: DropReason, datagrams: usize) {
        self.0
            .dropped
            .fetch_add(datagrams as u64, Ordering::Relaxed);
    }
}
