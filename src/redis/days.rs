//! The day by Redis's clock.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::layer::meter::{Periods, Today};

/// Tells which day it is. Nodes whose clocks differ have one day.
pub(super) struct Days {
    periods: Periods,
    /// Seconds by which Redis's clock is ahead of that of this machine.
    ahead: AtomicI64,
    today: Mutex<Today>,
}

impl Days {
    pub(super) fn new(periods: Periods) -> Self {
        Self {
            periods,
            ahead: AtomicI64::new(0),
            today: Mutex::default(),
        }
    }

    /// Returns the day.
    pub(super) fn today(&self) -> Today {
        self.at(SystemTime::now())
    }

    /// Notes what time it is for Redis, in seconds, where that is another day.
    pub(super) fn heard(&self, seconds: u64) {
        self.heard_at(SystemTime::now(), seconds);
    }

    fn at(&self, here: SystemTime) -> Today {
        let ahead = Duration::from_secs(self.ahead.load(Ordering::Relaxed).unsigned_abs());
        let now = match self.ahead.load(Ordering::Relaxed) {
            ..0 => here.checked_sub(ahead),
            _ => here.checked_add(ahead),
        };
        let now = now.unwrap_or(here);
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if !(today.from..today.until).contains(&seconds(now)) {
            *today = self.periods.today(now);
        }
        *today
    }

    fn heard_at(&self, here: SystemTime, there: u64) {
        let ahead = there
            .cast_signed()
            .saturating_sub(seconds(here).cast_signed());
        self.ahead.store(ahead, Ordering::Relaxed);
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_780_800; // 2026-11-27T12:00:00Z

    #[test]
    fn the_day_is_that_of_the_other_clock() {
        let days = Days::new(Periods::new());
        let here = UNIX_EPOCH + Duration::from_secs(NOON);
        let before = days.at(here);
        assert_eq!((before.day, before.month), (20_261_127, 20_261_101));
        assert_eq!(before.from, NOON - 12 * 3600);
        assert_eq!(before.until, NOON + 12 * 3600);
        days.heard_at(here, NOON + 13 * 3600);
        assert_eq!(days.at(here).day, 20_261_128);
        days.heard_at(here, NOON - 13 * 3600);
        assert_eq!(days.at(here).day, 20_261_126);
        days.heard_at(here, NOON);
        assert_eq!(days.at(here), before);
    }
}
