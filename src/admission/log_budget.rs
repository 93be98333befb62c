//! A bound on the lines that one kind of event writes to the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Bounds the lines of one kind of event: so many at once, and one in each interval from then on. What
/// exceeds that is counted, and the next line says how many there were.
///
/// A client that can cause the event could fill the disk with it otherwise.
#[derive(Debug)]
pub(crate) struct LogBudget {
    at_once: u32,
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When all lines that were written would have been written at one in each interval; `None`
    /// before the first.
    paid: Option<Instant>,
    suppressed: u64,
}

impl LogBudget {
    /// Allows `at_once` lines, and one in each interval `every` from then on.
    pub(crate) const fn new(at_once: u32, every: Duration) -> Self {
        Self {
            at_once,
            every,
            state: Mutex::new(State {
                paid: None,
                suppressed: 0,
            }),
        }
    }

    /// Takes a line: whether it may be written, and how many were not since the last one that was.
    pub(crate) fn take(&self) -> Option<Suppressed> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = state.paid.map_or(now, |paid| paid.max(now)) + self.every;
        if paid.duration_since(now) > self.every.saturating_mul(self.at_once.max(1)) {
            state.suppressed = state.suppressed.saturating_add(1);
            return None;
        }
        state.paid = Some(paid);
        Some(Suppressed(std::mem::take(&mut state.suppressed)))
    }

    /// Returns whether as many lines may be written as at first, so that it can be forgotten.
    pub(crate) fn is_paid(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.paid.is_none_or(|paid| paid <= Instant::now())
    }
}

/// The number of lines that were suppressed before one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suppressed(u64);

impl Suppressed {
    /// Returns it as the field `suppressed` of that line, which is left out where there were none.
    pub(crate) fn field(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_a_few_lines_and_a_number() {
        let budget = LogBudget::new(3, Duration::from_secs(1));
        let lines = |events: usize| (0..events).filter_map(|_| budget.take()).count();
        assert!(budget.is_paid());
        assert_eq!(lines(10_000), 3);
        assert!(!budget.is_paid());
        advance(Duration::from_millis(999)).await;
        assert_eq!(lines(10_000), 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!(budget.take(), Some(Suppressed(19_997)));
        assert_eq!(budget.take(), None);
        // After a pause, as at first.
        advance(Duration::from_secs(3600)).await;
        assert!(budget.is_paid());
        assert_eq!(budget.take().and_then(Suppressed::field), Some(1));
        assert_eq!(budget.take().and_then(Suppressed::field), None);
        assert_eq!(lines(10), 1);
    }

    /// A minute of events at any rate is bounded.
    #[tokio::test(start_paused = true)]
    async fn a_minute_has_sixty_lines_more_than_the_first() {
        let budget = LogBudget::new(10, Duration::from_secs(1));
        let mut lines = 0;
        for _ in 0..6_000 {
            lines += usize::from(budget.take().is_some());
            advance(Duration::from_millis(10)).await;
        }
        assert_eq!(lines, 69);
    }
}
