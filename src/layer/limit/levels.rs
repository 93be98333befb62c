//! What each key has asked for lately.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Pace;
use crate::admission::Fullest;

/// Parts, each with a lock of its own.
const PARTS: usize = 16;

/// Keys of a part before those that are paid are looked for.
const CROWD: usize = 256;

/// Keys of a part. Where there are more that are not paid, the half that is paid first is forgotten.
const MOST: usize = 8 * 1024;

/// What is not told apart from a whole request.
const ROUNDING: f64 = 1e-6;

/// The levels of all keys: requests that are not paid yet, which fall evenly.
pub(crate) struct Levels<K> {
    parts: [Mutex<Part<K>>; PARTS],
    hasher: RandomState,
}

struct Part<K> {
    levels: HashMap<K, Level>,
    crowd: usize,
}

#[derive(Clone, Copy)]
struct Level {
    /// Requests that were not paid, at this time.
    used: f64,
    at: Instant,
    /// By the latest pace.
    pace: Pace,
}

impl Level {
    fn used_at(&self, now: Instant) -> f64 {
        let paid = self.pace.paid_in(now.saturating_duration_since(self.at));
        (self.used - paid).max(0.0)
    }

    fn paid_at(&self) -> Option<Instant> {
        self.at.checked_add(self.pace.time_of(self.used))
    }

    /// Whether it is as that of a key that has asked for nothing.
    fn is_paid(&self, now: Instant) -> bool {
        self.paid_at().is_some_and(|paid| paid <= now)
    }
}

impl<K: Hash + Eq + Clone> Levels<K> {
    pub(crate) fn new() -> Self {
        Self {
            parts: std::array::from_fn(|_| {
                Mutex::new(Part {
                    levels: HashMap::new(),
                    crowd: CROWD,
                })
            }),
            hasher: RandomState::new(),
        }
    }

    /// Counts a request of a key, or returns how long it is until the key's turn.
    pub(crate) fn turn(&self, key: &K, pace: Pace) -> Result<(), Duration> {
        let now = Instant::now();
        if pace.at_once() == 0 {
            return Err(Duration::MAX);
        }
        let most = f64::from(pace.at_once());
        let mut part = self.part(key);
        let Some(level) = part.levels.get_mut(key) else {
            part.insert(
                key.clone(),
                Level {
                    used: 1.0,
                    at: now,
                    pace,
                },
                now,
            );
            return Ok(());
        };
        // What was asked so far is paid at the latest pace from here on.
        *level = Level {
            used: level.used_at(now),
            at: now,
            pace,
        };
        let beyond = level.used + 1.0 - most;
        if beyond > ROUNDING {
            return Err(pace.time_of(beyond));
        }
        level.used += 1.0;
        Ok(())
    }

    fn part(&self, key: &K) -> MutexGuard<'_, Part<K>> {
        let at = usize::try_from(self.hasher.hash_one(key)).unwrap_or(0) % PARTS;
        let [first, ..] = &self.parts;
        lock(self.parts.get(at).unwrap_or(first))
    }
}

impl<K> Levels<K> {
    /// Returns how many keys are remembered.
    pub(super) fn keys(&self) -> usize {
        self.parts.iter().map(|part| lock(part).levels.len()).sum()
    }
}

impl<K: Clone> Levels<K> {
    pub(super) fn look(&self, fullest: &mut Fullest<K>) {
        let now = Instant::now();
        for part in &self.parts {
            for (key, level) in &lock(part).levels {
                let used = level.used_at(now).ceil() as u64;
                fullest.see(key, used, level.pace.at_once().into());
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Part<K> {
    fn insert(&mut self, key: K, level: Level, now: Instant) {
        if self.levels.len() >= self.crowd {
            self.forget(now);
        }
        self.levels.insert(key, level);
    }

    /// Forgets what is paid, and of too many others the half that is paid first.
    fn forget(&mut self, now: Instant) {
        self.levels.retain(|_, level| !level.is_paid(now));
        if self.levels.len() >= MOST {
            let paid = |level: &Level| level.pace.time_of(level.used_at(now));
            let mut times: Vec<Duration> = self.levels.values().map(paid).collect();
            let mut left = times.len() / 2;
            let (_, half, _) = times.select_nth_unstable(left.saturating_sub(1));
            let half = *half;
            self.levels.retain(|_, level| {
                let goes = left > 0 && paid(level) <= half;
                left -= usize::from(goes);
                !goes
            });
        }
        self.crowd = (self.levels.len() * 2).clamp(CROWD, MOST);
        self.levels.shrink_to(self.crowd);
    }
}

fn lock<K>(part: &Mutex<Part<K>>) -> MutexGuard<'_, Part<K>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_paid_is_forgotten_and_what_is_not_is_bounded() {
        let levels = Levels::new();
        let slow = Pace::per_minute(1).burst(3);
        levels.turn(&usize::MAX, slow).unwrap();
        levels.turn(&usize::MAX, slow).unwrap();
        for key in 0..300_000 {
            assert_eq!(levels.turn(&key, slow), Ok(()));
        }
        assert!(levels.keys() <= PARTS * MOST, "{}", levels.keys());
        let mut fullest = Fullest::new(1);
        levels.look(&mut fullest);
        assert_eq!(fullest.into_vec().len(), 1);
        advance(Duration::from_secs(3600)).await;
        for key in 0..300_000 {
            assert_eq!(levels.turn(&key, Pace::per_second(u32::MAX)), Ok(()));
            advance(Duration::from_micros(1)).await;
        }
        assert!(levels.keys() <= PARTS * MOST, "{}", levels.keys());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_pace_takes_what_was_asked_along() {
        let levels = Levels::new();
        let slow = Pace::per_minute(1).burst(60);
        for _ in 0..60 {
            assert_eq!(levels.turn(&(), slow), Ok(()));
        }
        assert_eq!(levels.turn(&(), slow), Err(Duration::from_secs(60)));
        // 60 requests, paid at the new pace from here on, in place of an hour.
        let fast = Pace::per_second(10).burst(60);
        assert_eq!(levels.turn(&(), fast), Err(Duration::from_millis(100)));
        advance(Duration::from_secs(60)).await;
        assert_eq!(levels.turn(&(), fast), Ok(()));
        // Fewer at once: what is beyond has to be paid first.
        for _ in 0..20 {
            assert_eq!(levels.turn(&(), fast), Ok(()));
        }
        let few = Pace::per_second(10).burst(5);
        assert!(levels.turn(&(), few).is_err());
        advance(Duration::from_secs(2)).await;
        assert_eq!(levels.turn(&(), few), Ok(()));
        assert_eq!(levels.turn(&(), few.burst(0)), Err(Duration::MAX));
        assert_eq!(levels.turn(&(), Pace::per_second(0)), Err(Duration::MAX));
    }
}
