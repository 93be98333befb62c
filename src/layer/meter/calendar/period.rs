use std::time::{SystemTime, UNIX_EPOCH};

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

/// When days and months begin: at midnight of a time zone, and months at a day of theirs.
#[derive(Clone, Debug)]
pub struct Periods {
    zone: TimeZone,
    day_of_month: i8,
}

impl Periods {
    /// Begins days and months at midnight of UTC, months with their first day.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            zone: TimeZone::UTC,
            day_of_month: 1,
        }
    }

    /// Begins them at midnight of a time zone, by its IANA name: `"Europe/Berlin"`.
    ///
    /// # Errors
    ///
    /// This machine does not know the zone.
    pub fn time_zone(mut self, name: &str) -> Result<Self, UnknownZone> {
        self.zone = match name {
            // Known everywhere.
            "UTC" | "Etc/UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| UnknownZone(name.into()))?,
        };
        Ok(self)
    }

    /// Begins months at this day, from 1 to 31; in those that are shorter, at their last day.
    #[must_use]
    pub fn day_of_month(mut self, day: u8) -> Self {
        self.day_of_month = i8::try_from(day).unwrap_or(31).clamp(1, 31);
        self
    }

    /// Returns the day and the month of this time, and the time at which they are over.
    pub(super) fn at(&self, now: SystemTime) -> (Period, SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let today = Timestamp::from_second(seconds)
            .unwrap_or(Timestamp::MAX)
            .to_zoned(self.zone.clone())
            .date();
        let begins = self.month_of(today);
        let month = if begins > today {
            let before = today.first_of_month().yesterday();
            before.map_or(begins, |before| self.month_of(before))
        } else {
            begins
        };
        let tomorrow = today.tomorrow().ok().and_then(|tomorrow| {
            let midnight = tomorrow.to_datetime(Time::midnight());
            let midnight = midnight.to_zoned(self.zone.clone()).ok()?;
            Some(SystemTime::from(midnight.timestamp()))
        });
        let period = Period { day: today, month };
        (period, tomorrow.unwrap_or(now))
    }

    /// Returns the day of this time, for those who share it with others.
    #[cfg(feature = "redis")]
    pub(crate) fn today(&self, now: SystemTime) -> Today {
        let (period, until) = self.at(now);
        let midnight = period.day.to_datetime(Time::midnight());
        let from = midnight.to_zoned(self.zone.clone()).ok();
        let from = from.map_or(now, |from| SystemTime::from(from.timestamp()));
        let seconds =
            |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let number = |date: Date| {
            let of = |part: i8| u32::from(part.unsigned_abs());
            u32::from(date.year().unsigned_abs()) * 10_000 + of(date.month()) * 100 + of(date.day())
        };
        Today {
            from: seconds(from),
            until: seconds(until),
            day: number(period.day),
            month: number(period.month),
        }
    }

    /// Returns when the month begins that begins in the month of this date.
    fn month_of(&self, date: Date) -> Date {
        let day = self.day_of_month.min(date.days_in_month());
        date.with().day(day).build().unwrap_or(date)
    }
}

impl Default for Periods {
    fn default() -> Self {
        Self::new()
    }
}

/// A day, and the day on which its month has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) day: Date,
    pub(super) month: Date,
}

/// A day as it is told to others.
#[cfg(feature = "redis")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Today {
    /// The seconds since 1970 between which it is that day.
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// Its date: 20261127.
    pub(crate) day: u32,
    /// When its month has begun: 20261101.
    pub(crate) month: u32,
}

/// A time zone that this machine does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownZone(Box<str>);

impl std::fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.0.escape_debug();
        write!(
            f,
            "`{name}` is no time zone that this machine knows: write it like \"Europe/Berlin\" or \"UTC\""
        )
    }
}

impl std::error::Error for UnknownZone {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(periods: &Periods, time: &str) -> (String, String) {
        let time: Timestamp = time.parse().unwrap();
        let (period, until) = periods.at(SystemTime::from(time));
        let until = Timestamp::try_from(until).unwrap();
        (
            format!("{} {}", period.day, period.month),
            until.to_string(),
        )
    }

    #[test]
    fn days_and_months_begin_at_midnight_of_the_zone() {
        let utc = Periods::new();
        assert_eq!(
            at(&utc, "2026-11-27T23:59:59Z"),
            (
                "2026-11-27 2026-11-01".into(),
                "2026-11-28T00:00:00Z".into()
            )
        );
        let Ok(berlin) = utc.clone().time_zone("Europe/Berlin") else {
            return; // a machine without time zones
        };
        assert_eq!(
            at(&berlin, "2026-11-30T23:00:00Z"),
            (
                "2026-12-01 2026-12-01".into(),
                "2026-12-01T23:00:00Z".into()
            )
        );
        // The day on which clocks go back has 25 hours.
        assert_eq!(
            at(&berlin, "2026-10-24T22:00:00Z"),
            (
                "2026-10-25 2026-10-01".into(),
                "2026-10-25T23:00:00Z".into()
            )
        );
        assert!(utc.time_zone("Europe/Atlantis").is_err());
    }

    #[test]
    fn a_month_begins_at_its_day_or_at_its_last() {
        for (day, time, month) in [
            (15, "2026-11-14T12:00:00Z", "2026-10-15"),
            (15, "2026-11-15T00:00:00Z", "2026-11-15"),
            (31, "2026-02-27T12:00:00Z", "2026-01-31"),
            (31, "2026-02-28T00:00:00Z", "2026-02-28"),
            (31, "2026-03-30T00:00:00Z", "2026-02-28"),
            (30, "2026-01-01T00:00:00Z", "2025-12-30"),
            (0, "2026-01-01T00:00:00Z", "2026-01-01"),
        ] {
            let (period, _) = at(&Periods::new().day_of_month(day), time);
            assert!(period.ends_with(month), "{day} {time}: {period}");
        }
    }
}
