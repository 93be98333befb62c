//! What became of lines of the log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lines until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "a bench has no use for them")]
pub(crate) struct Counts {
    pub(crate) written: u64,
    /// They have found no room, or could not be written.
    pub(crate) dropped: u64,
    /// They have been queued, and not been written yet.
    pub(crate) waiting: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Counting {
    written: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicU64,
}

impl Counting {
    /// One finds a place in the queue, which it has until it is written or not.
    pub(super) fn queues(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// It has found none after all.
    pub(super) fn finds_no_room(&self) {
        self.leave(0, 1);
    }

    /// So many have had their places, and are written or not.
    pub(super) fn leave(&self, written: u64, dropped: u64) {
        self.waiting.fetch_sub(written + dropped, Relaxed);
        self.written.fetch_add(written, Relaxed);
        self.dropped.fetch_add(dropped, Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    #[allow(dead_code, reason = "a bench has no use for them")]
    pub(super) fn get(&self) -> Counts {
        Counts {
            written: self.written.load(Relaxed),
            dropped: self.dropped(),
            waiting: self.waiting.load(Relaxed),
        }
    }
}
