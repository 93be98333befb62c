//! Times of day and weekdays.

use std::{fmt, str::FromStr, time::SystemTime};

use jiff::{Timestamp, tz::TimeZone};

use super::error::InvalidCondition;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// A part of the day, to the minute: `08:00-18:00`, without 18:00 itself.
///
/// One that ends before it begins goes over midnight: `22:00-06:00`. `24:00` is the end of the day.
///
/// ```
/// use tower_socks::rules::TimeRange;
///
/// assert_eq!("08:00-18:30".parse::<TimeRange>()?.to_string(), "08:00-18:30");
/// assert!("8-18".parse::<TimeRange>().is_err());
/// # Ok::<(), tower_socks::rules::InvalidCondition>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// Minutes since midnight.
    from: u16,
    /// The first minute that is not in it any more.
    to: u16,
}

impl TimeRange {
    /// The minutes at which it begins and ends.
    pub(super) const fn ends(self) -> [u16; 2] {
        [self.from, self.to]
    }

    const fn contains(self, minute: u16) -> bool {
        if self.from < self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

impl FromStr for TimeRange {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let parts = text.split_once('-');
        let minutes = parts.and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        match minutes {
            Some((from, to)) if from != to && from < 24 * 60 => Ok(Self { from, to }),
            Some((from, to)) if from == to => Err(InvalidCondition::new(format_args!(
                "`{text}` is no part of the day: leave `time` out for all of it"
            ))),
            Some(_) => Err(InvalidCondition::new(format_args!(
                "`{text}` is no part of the day: it begins at 00:00"
            ))),
            None => Err(InvalidCondition::new(format_args!(
                "`{text}` is no part of the day: write it like \"08:00-18:00\""
            ))),
        }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two_digits =
        |text: &str| text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let since_midnight = hour * 60 + minute;
    (minute < 60 && since_midnight <= 24 * 60).then_some(since_midnight)
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        let (from_hour, from_minute) = (from / 60, from % 60);
        let (to_hour, to_minute) = (to / 60, to % 60);
        write!(
            f,
            "{from_hour:02}:{from_minute:02}-{to_hour:02}:{to_minute:02}"
        )
    }
}

impl fmt::Debug for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A weekday, or several in a row: `sat`, `mon-fri`, `friday-monday`.
///
/// ```
/// use tower_socks::rules::Weekdays;
///
/// assert_eq!("mon-fri".parse::<Weekdays>()?.to_string(), "mon,tue,wed,thu,fri");
/// assert_eq!("Sunday".parse::<Weekdays>()?.to_string(), "sun");
/// # Ok::<(), tower_socks::rules::InvalidCondition>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays {
    /// Bit 0 is Monday.
    bits: u8,
}

impl Weekdays {
    const fn contains(self, day: u8) -> bool {
        self.bits & (1 << day) != 0
    }
}

impl FromStr for Weekdays {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (Some(mut day), Some(last)) = (day(first), day(last)) else {
            return Err(InvalidCondition::new(format_args!(
                "`{text}` is no weekday: write mon, tue, wed, thu, fri, sat, sun, or a range like \
                 \"mon-fri\""
            )));
        };
        let mut bits = 1 << day;
        while day != last {
            day = (day + 1) % 7;
            bits |= 1 << day;
        }
        Ok(Self { bits })
    }
}

fn day(text: &str) -> Option<usize> {
    let text = text.trim();
    let named = |names: [&str; 7]| {
        names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name))
    };
    named(DAYS).or_else(|| named(LONG_DAYS))
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (day, name) in (0_u8..).zip(DAYS) {
            if self.contains(day) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time zone by its IANA name.
pub(super) struct Zone(pub(super) TimeZone);

impl FromStr for Zone {
    type Err = InvalidCondition;

    fn from_str(name: &str) -> Result<Self, InvalidCondition> {
        if ["UTC", "Etc/UTC"]
            .iter()
            .any(|utc| name.eq_ignore_ascii_case(utc))
        {
            return Ok(Self(TimeZone::UTC));
        }
        TimeZone::get(name).map(Self).map_err(|_| {
            if jiff::tz::db().is_definitively_empty() {
                return InvalidCondition::new(format_args!(
                    "`{name}` is not known, since this machine has no time zones but \"UTC\": install \
                     its package of them (tzdata, /usr/share/zoneinfo)"
                ));
            }
            InvalidCondition::new(format_args!(
                "`{name}` is no time zone that this machine knows: write it like \
                 \"Europe/Berlin\" or \"UTC\""
            ))
        })
    }
}

/// The time zone of the system, for rules that look at the clock. Without any setting it is UTC.
///
/// # Errors
///
/// When the environment names one that is not known.
pub(super) fn system_zone() -> Result<TimeZone, InvalidCondition> {
    let stated = std::env::var_os("TZ").filter(|name| !name.is_empty());
    match (TimeZone::try_system(), stated) {
        (Ok(zone), _) => Ok(zone),
        (Err(_), None) => Ok(TimeZone::UTC),
        (Err(_), Some(name)) => {
            let name = name.to_string_lossy();
            match name.trim_start_matches(':').parse() {
                Ok(Zone(zone)) => Ok(zone),
                Err(problem) => Err(InvalidCondition::new(format_args!(
                    "the rules look at the clock, and TZ in the environment is wrong: {problem}"
                ))),
            }
        }
    }
}

/// A moment as rules see it: in their time zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    day: u8,
    minute: u16,
}

impl Moment {
    pub(super) fn new(time: SystemTime, zone: &TimeZone) -> Self {
        // Outside of the years -9999 to 9999 there is no time zone that could matter.
        let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = zone.to_datetime(timestamp);
        let (hour, minute) = (local.hour().unsigned_abs(), local.minute().unsigned_abs());
        Self {
            day: local.weekday().to_monday_zero_offset().unsigned_abs(),
            minute: u16::from(hour) * 60 + u16::from(minute),
        }
    }

    /// The minutes until the first of these minutes of the day.
    pub(super) fn until(self, minutes: impl Iterator<Item = u16>) -> Option<u16> {
        const DAY: u16 = 24 * 60;
        let rest = |minute: u16| match (minute % DAY + DAY - self.minute) % DAY {
            0 => DAY,
            rest => rest,
        };
        minutes.map(rest).min()
    }

    pub(super) const fn is_in(self, hours: TimeRange) -> bool {
        hours.contains(self.minute)
    }

    pub(super) const fn is_on(self, days: Weekdays) -> bool {
        days.contains(self.day)
    }
}
