//! The numbers of a limit on sessions, which can change while it is in use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::session::Identity;

/// Shares, and the queue.
pub(super) struct Numbers {
    per_client: AtomicUsize,
    per_user: AtomicUsize,
    queue: AtomicUsize,
    /// In microseconds.
    wait: AtomicU64,
    pub(super) by_identity: Option<Arc<ByIdentity>>,
}

type ByIdentity = dyn Fn(&Identity) -> Option<usize> + Send + Sync;

impl Numbers {
    pub(super) fn new(share: usize, queue: usize, wait: Duration) -> Self {
        Self {
            per_client: share.into(),
            per_user: share.into(),
            queue: queue.into(),
            wait: micros(wait).into(),
            by_identity: None,
        }
    }

    pub(super) fn per_client(&self) -> usize {
        self.per_client.load(Ordering::Relaxed)
    }

    pub(super) fn per_user(&self) -> usize {
        self.per_user.load(Ordering::Relaxed)
    }

    /// Returns how many sessions the user of this identity may have.
    pub(super) fn of_user(&self, identity: &Identity) -> usize {
        let own = self.by_identity.as_ref().and_then(|most| most(identity));
        own.unwrap_or_else(|| self.per_user())
    }

    /// Returns how many may wait, and for how long.
    pub(super) fn queue(&self) -> (usize, Duration) {
        let wait = self.wait.load(Ordering::Relaxed);
        (
            self.queue.load(Ordering::Relaxed),
            Duration::from_micros(wait),
        )
    }

    pub(super) fn set_per_client(&self, most: usize) {
        self.per_client.store(most.max(1), Ordering::Relaxed);
    }

    pub(super) fn set_per_user(&self, most: usize) {
        self.per_user.store(most.max(1), Ordering::Relaxed);
    }

    pub(super) fn set_queue(&self, most: usize, wait: Duration) {
        self.queue.store(most, Ordering::Relaxed);
        self.wait.store(micros(wait), Ordering::Relaxed);
    }

    pub(super) fn set_like(&self, other: &Self) {
        self.set_per_client(other.per_client());
        self.set_per_user(other.per_user());
        let (most, wait) = other.queue();
        self.set_queue(most, wait);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Clone for Numbers {
    fn clone(&self) -> Self {
        let numbers = Self {
            by_identity: self.by_identity.clone(),
            ..Self::new(1, 0, Duration::ZERO)
        };
        numbers.set_like(self);
        numbers
    }
}
