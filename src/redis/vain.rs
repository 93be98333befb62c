//! Asking for a lease in vain: whether nothing is left, or others hold what they may not use.

use std::time::Duration;

use tokio::time::Instant;

use super::statement::SMALLEST;

/// For how long nothing is asked about a key that has nothing left.
const EMPTY: Duration = Duration::from_secs(1);

/// Between two questions while others hold much.
const AGAIN: Duration = Duration::from_millis(200);

/// For how long others are waited for. Those who use nothing give it up sooner.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Vain {
    since: Option<Instant>,
    ask_at: Option<Instant>,
    empty_until: Option<Instant>,
}

impl Vain {
    /// Notes what was leased, and what others hold of whom there may be so many.
    pub(super) fn answered(&mut self, leased: u64, held: u64, nodes: u32) {
        let others = u64::from(nodes.saturating_sub(1).max(1));
        let is_held = held > SMALLEST.saturating_mul(others);
        let now = Instant::now();
        if leased > 0 {
            *self = Self::default();
        } else if is_held && now < *self.since.get_or_insert(now) + PATIENCE {
            self.ask_at = Some(now + AGAIN);
        } else {
            (self.ask_at, self.empty_until) = (None, Some(now + EMPTY));
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.empty_until.is_some_and(|until| Instant::now() < until)
    }

    /// Until when nobody asks, since others may give something up.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.ask_at.filter(|at| Instant::now() < *at)
    }
}
