//! Permits, of which there can be more and fewer while they are in use.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{AcquireError, Semaphore};

/// So many permits, which waiters have first come, first served.
///
/// Where there are fewer than before, those in use stay; what comes back is given to nobody until no more are in use than
/// there are.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Semaphore,
    most: AtomicUsize,
    /// Those in use that are not to come back. Permits in use and free ones are all that there are, and these.
    owed: AtomicUsize,
}

/// The most that there can be.
const MOST: usize = Semaphore::MAX_PERMITS;

impl Permits {
    pub(crate) const fn new(most: usize) -> Self {
        let most = if most < MOST { most } else { MOST };
        Self {
            free: Semaphore::const_new(most),
            most: AtomicUsize::new(most),
            owed: AtomicUsize::new(0),
        }
    }

    /// Returns how many there are.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Returns how many are in use.
    pub(crate) fn used(&self) -> usize {
        let all = self.most().saturating_add(self.owed.load(Ordering::SeqCst));
        all.saturating_sub(self.free())
    }

    /// Returns how many are free.
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Takes one that is free, until [`give_back`](Self::give_back).
    pub(crate) fn try_take(&self) -> bool {
        // One who gave up waiting may have had one.
        self.settle();
        let permit = self.free.try_acquire();
        permit.map(|permit| permit.forget()).is_ok()
    }

    /// Waits for one.
    pub(crate) async fn take(&self) -> Result<(), AcquireError> {
        self.free.acquire().await.map(|permit| permit.forget())
    }

    /// Gives one back.
    pub(crate) fn give_back(&self) {
        if self.pay(1) == 0 {
            self.free.add_permits(1);
            self.settle();
        }
    }

    /// Sets how many there are. Costs a comparison where that is nothing new.
    pub(crate) fn set(&self, most: usize) {
        let most = most.min(MOST);
        if self.most.load(Ordering::Relaxed) == most {
            return;
        }
        let before = self.most.swap(most, Ordering::SeqCst);
        if let Some(more) = most.checked_sub(before) {
            let paid = self.pay(more);
            // What two who set it at once add for a moment is not more than there can be.
            let room = MOST.saturating_sub(self.free());
            self.free.add_permits((more - paid).min(room));
        } else {
            self.owed.fetch_add(before - most, Ordering::SeqCst);
        }
        self.settle();
    }

    /// Pays up to so many of those that are owed, and returns how many.
    fn pay(&self, most: usize) -> usize {
        let pay = |owed: usize| (owed > 0).then(|| owed.saturating_sub(most));
        let before = self
            .owed
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, pay);
        before.map_or(0, |owed| owed.min(most))
    }

    /// Pays what is owed with those that are free.
    fn settle(&self) {
        loop {
            let owed = self.owed.load(Ordering::SeqCst);
            let taken = match owed {
                0 => return,
                owed => self.free.forget_permits(owed),
            };
            let paid = self.pay(taken);
            if paid < taken {
                self.free.add_permits(taken - paid);
            } else if taken == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_permits_are_reached_as_they_come_back() {
        let permits = Permits::new(3);
        assert!(permits.try_take() && permits.try_take() && permits.try_take());
        permits.set(1);
        assert_eq!((permits.used(), permits.free(), permits.most()), (3, 0, 1));
        permits.give_back();
        permits.give_back();
        assert!(!permits.try_take());
        assert_eq!(permits.used(), 1);
        permits.give_back();
        assert!(permits.try_take());
        assert!(!permits.try_take());

        // Up again while some are owed, and down to none.
        permits.set(4);
        assert!(permits.try_take() && permits.try_take() && permits.try_take());
        permits.set(0);
        permits.set(2);
        assert_eq!((permits.used(), permits.free()), (4, 0));
        permits.set(5);
        assert!(permits.try_take() && !permits.try_take());
        for _ in 0..5 {
            permits.give_back();
        }
        assert_eq!((permits.used(), permits.free()), (0, 5));
        permits.set(usize::MAX);
        assert_eq!((permits.used(), permits.free()), (0, MOST));
    }

    #[test]
    fn counts_are_right_after_threads_have_changed_all_at_once() {
        let permits = Permits::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let permits = &permits;
                scope.spawn(move || {
                    for turn in 0..2_000_usize {
                        if permits.try_take() {
                            permits.set((thread + turn) % 7);
                            permits.give_back();
                        } else {
                            permits.set(3);
                        }
                    }
                });
            }
        });
        permits.set(2);
        assert_eq!((permits.used(), permits.free()), (0, 2));
    }
}
