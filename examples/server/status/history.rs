//! The last hour, a sample every five seconds, which is there when the page is opened.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tower_socks::layer::track::Totals;

/// Between two samples.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// An hour of them, some 40 KiB.
const MOST: usize = 720;

/// Samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    /// The number of the next one.
    next: u64,
    kept: VecDeque<Sample>,
}

/// What was counted at some time: when, in seconds since 1970; tunnels that were open; and from the start to then
/// tunnels, octets up and down, and requests refused.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample(u64, usize, u64, u64, u64, u64);

/// An answer to who asks for samples.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    every: u64,
    /// What to ask for next time.
    next: u64,
    samples: Vec<Sample>,
}

impl History {
    /// Takes a sample.
    pub(super) fn sample(&self, totals: &Totals, refused: u64) {
        let sample = Sample(
            unix(SystemTime::now()),
            totals.open,
            totals.opened,
            totals.traffic.up,
            totals.traffic.down,
            refused,
        );
        let mut samples = self.lock();
        if samples.kept.len() == MOST {
            samples.kept.pop_front();
        }
        samples.kept.push_back(sample);
        samples.next += 1;
    }

    /// Returns the samples from this number on.
    pub(super) fn since(&self, number: u64) -> Answer {
        let samples = self.lock();
        let asked = usize::try_from(samples.next.saturating_sub(number)).unwrap_or(usize::MAX);
        let skipped = samples.kept.len().saturating_sub(asked);
        Answer {
            every: EVERY.as_secs(),
            next: samples.next,
            samples: samples.kept.iter().skip(skipped).copied().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time in seconds since 1970.
pub(super) fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
