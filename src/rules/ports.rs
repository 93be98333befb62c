use std::{fmt, ops::RangeInclusive, str::FromStr};

use super::error::InvalidCondition;

/// A port, or a range of ports with both its ends: `443`, `8000-8999`.
///
/// ```
/// use tower_socks::rules::PortRange;
///
/// let ports: PortRange = "8000-8999".parse()?;
/// assert_eq!(ports, PortRange::from(8000..=8999));
/// assert!("9-8".parse::<PortRange>().is_err());
/// # Ok::<(), tower_socks::rules::InvalidCondition>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    pub(super) const fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// The smallest range with all of these in it; every port, if there are none.
    pub(super) fn around(all: &[Self]) -> Self {
        let first = all.iter().map(|ports| ports.first).min();
        let last = all.iter().map(|ports| ports.last).max();
        Self {
            first: first.unwrap_or(0),
            last: last.unwrap_or(u16::MAX),
        }
    }

    pub(super) const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }
}

impl From<RangeInclusive<u16>> for PortRange {
    fn from(ports: RangeInclusive<u16>) -> Self {
        Self {
            first: *ports.start(),
            last: *ports.end(),
        }
    }
}

impl FromStr for PortRange {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first.trim()), number(last.trim())) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            (Some(first), Some(last)) => Err(InvalidCondition::new(format_args!(
                "`{text}` is empty: did you mean {last}-{first}?"
            ))),
            _ => Err(InvalidCondition::new(format_args!(
                "`{text}` is no port: write a number from 0 to 65535, or a range like \"8000-8999\""
            ))),
        }
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl fmt::Debug for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
