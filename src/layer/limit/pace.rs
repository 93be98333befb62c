use std::time::Duration;

use crate::session::{Amount, Request};

/// How many requests in a time, and how many at once: the amount of a [`RequestRate`](super::RequestRate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    requests: u32,
    period: Duration,
    burst: u32,
}

impl Pace {
    /// Allows so many requests a second, and as many at once. 0 allows none.
    #[must_use]
    pub const fn per_second(most: u32) -> Self {
        Self::new(most, Duration::from_secs(1))
    }

    /// Allows so many requests a minute, and as many at once. 0 allows none.
    #[must_use]
    pub const fn per_minute(most: u32) -> Self {
        Self::new(most, Duration::from_secs(60))
    }

    const fn new(requests: u32, period: Duration) -> Self {
        Self {
            requests,
            period,
            burst: requests,
        }
    }

    /// Allows so many at once, after a pause. 0 allows none.
    #[must_use]
    pub const fn burst(mut self, most: u32) -> Self {
        self.burst = most;
        self
    }

    /// Returns the pace of one of so many nodes that share this one: at least one request at once.
    #[cfg(feature = "redis")]
    pub(crate) fn part(self, nodes: u32) -> Self {
        let nodes = nodes.max(1);
        Self {
            period: self.period.saturating_mul(nodes),
            burst: (self.burst / nodes).max(1).min(self.burst),
            ..self
        }
    }

    /// Returns how many may be made at once.
    #[must_use]
    pub const fn at_once(self) -> u32 {
        if self.requests == 0 { 0 } else { self.burst }
    }

    /// Returns the time between two requests, once all that may be made at once have been: 100 ms at ten a second.
    /// [`Duration::MAX`] where none may be made.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.time_of(1.0)
    }

    /// Returns the time in which so many requests are paid.
    pub(super) fn time_of(self, requests: f64) -> Duration {
        match self.requests {
            0 => Duration::MAX,
            each => Duration::try_from_secs_f64(
                requests.max(0.0) * self.period.as_secs_f64() / f64::from(each),
            )
            .unwrap_or(Duration::MAX),
        }
    }

    /// Returns how many requests are paid in this time.
    pub(super) fn paid_in(self, time: Duration) -> f64 {
        time.as_secs_f64() * f64::from(self.requests) / self.period.as_secs_f64()
    }
}

impl Amount<Self> for Pace {
    fn amount(&self, _: &Request) -> Option<Self> {
        Some(*self)
    }
}
