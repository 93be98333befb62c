//! Sizes and rates as people write them: `500 GB`, `1.5 GiB`, `10 Mbit/s`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What stands for no limit.
pub(super) const OFF: &str = "off";

/// Units of bytes.
const BYTES: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// Units of bits, of a rate. `bit` may be `b` in front of `ps`.
const BITS: &[(&str, u64)] = &[
    ("bit", 1),
    ("kbit", 1_000),
    ("Kbit", 1_000),
    ("Mbit", 1_000_000),
    ("Gbit", 1_000_000_000),
    ("Tbit", 1_000_000_000_000),
];

/// A number of bytes, as an integer or in a unit: `"500 GB"`, `"1.5 GiB"`. `u64::MAX` is no limit, and written `"off"`.
///
/// Units are those of 1,000 (`kB`, `MB`, `GB`, `TB`, `PB`) and of 1,024 (`KiB`, `MiB` and so on), and `B`. A part of a byte
/// is left out.
///
/// ```
/// use tower_socks::session::Bytes;
///
/// assert_eq!("500 GB".parse(), Ok(Bytes(500_000_000_000)));
/// assert_eq!("1.5KiB".parse(), Ok(Bytes(1_536)));
/// assert_eq!("64".parse(), Ok(Bytes(64)));
/// assert_eq!(Bytes(2_000_000).to_string(), "2 MB");
/// assert_eq!(
///     "10 Mbit".parse::<Bytes>().unwrap_err().to_string(),
///     "`10 Mbit` is no size: write it like 500000000, \"500 GB\" or \"1.5 GiB\""
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Bytes a second, as an integer or in a unit: `"10 Mbit/s"`, `"2 MB/s"`. `u64::MAX` is no limit, and written `"off"`.
///
/// Units are those of [`Bytes`] and, of bits, `bit`, `kbit`, `Mbit`, `Gbit` and `Tbit`, with `/s` behind them; `Mbps` is
/// `Mbit/s`. A part of a byte is left out.
///
/// ```
/// use tower_socks::session::BytesPerSecond;
///
/// assert_eq!("10 Mbit/s".parse(), Ok(BytesPerSecond(1_250_000)));
/// assert_eq!("2 MB/s".parse(), Ok(BytesPerSecond(2_000_000)));
/// assert_eq!(BytesPerSecond(12_500_000).to_string(), "12500 kB/s");
/// assert_eq!(
///     "10M".parse::<BytesPerSecond>().unwrap_err().to_string(),
///     "`10M` is no rate: write it like 2000000, \"2 MB/s\" or \"10 Mbit/s\""
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesPerSecond(pub u64);

impl FromStr for Bytes {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let bytes = off(text).or_else(|| {
            let (number, unit) = split(text)?;
            number.times(of(BYTES, unit)?, 1)
        });
        bytes
            .map(Self)
            .ok_or_else(|| InvalidAmount::new(text, Kind::Size))
    }
}

impl FromStr for BytesPerSecond {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let bytes = off(text).or_else(|| {
            let (number, unit) = split(text)?;
            if unit.is_empty() {
                return number.times(1, 1);
            }
            if let Some(unit) = unit.strip_suffix("bps") {
                return number.times(of(BITS, &format!("{unit}bit"))?, 8);
            }
            let unit = unit.strip_suffix("/s")?.trim_end();
            match of(BITS, unit) {
                Some(bits) => number.times(bits, 8),
                None => number.times(of(BYTES, unit).filter(|_| !unit.is_empty())?, 1),
            }
        });
        bytes
            .map(Self)
            .ok_or_else(|| InvalidAmount::new(text, Kind::Rate))
    }
}

fn off(text: &str) -> Option<u64> {
    (text == OFF).then_some(u64::MAX)
}

fn of(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    let found = units.iter().find(|(name, _)| *name == unit);
    found.map(|(_, of)| *of)
}

/// A decimal number: its digits, and ten to the number of those behind the point.
struct Number {
    digits: u64,
    parts: u64,
}

impl Number {
    /// Returns the number of whole ones, if there are fewer than `u64::MAX`.
    fn times(&self, unit: u64, divisor: u64) -> Option<u64> {
        let product = u128::from(self.digits).checked_mul(u128::from(unit))?;
        let whole = product / (u128::from(self.parts) * u128::from(divisor));
        u64::try_from(whole).ok().filter(|it| *it < u64::MAX)
    }
}

/// Splits a text into a number and its unit.
fn split(text: &str) -> Option<(Number, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let (whole, part) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(it) => it,
        None => (number, ""),
    };
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || part.contains(['.', '_']) {
        return None;
    }
    let digits = whole.replace('_', "") + part;
    let parts = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let digits = digits.parse().ok()?;
    Some((Number { digits, parts }, unit.trim_start()))
}

/// Writes a number with the largest unit in which it is a whole one.
fn write(f: &mut fmt::Formatter<'_>, bytes: u64, after: &str) -> fmt::Result {
    if bytes == u64::MAX {
        return f.write_str(OFF);
    }
    let fits = |(_, of): &&(&str, u64)| bytes >= *of && bytes.is_multiple_of(*of);
    let unit = BYTES.iter().filter(fits).max_by_key(|(_, of)| *of);
    let (unit, of) = unit.copied().unwrap_or(("B", 1));
    let unit = match unit {
        "KB" => "kB",
        "" => "B",
        unit => unit,
    };
    write!(f, "{} {unit}{after}", bytes / of)
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, "")
    }
}

impl fmt::Display for BytesPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, "/s")
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor(Kind::Size)).map(Self)
    }
}

impl<'de> Deserialize<'de> for BytesPerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor(Kind::Rate)).map(Self)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for BytesPerSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What an amount is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Size,
    Rate,
    Number,
}

impl Kind {
    /// Reads an amount as text.
    pub(super) fn parse(self, text: &str) -> Result<u64, InvalidAmount> {
        match self {
            Self::Size => text.parse().map(|Bytes(bytes)| bytes),
            Self::Rate => text.parse().map(|BytesPerSecond(bytes)| bytes),
            Self::Number => off(text)
                .or_else(|| text.parse().ok())
                .ok_or_else(|| InvalidAmount::new(text, self)),
        }
    }

    const fn examples(self) -> &'static str {
        match self {
            Self::Size => "size: write it like 500000000, \"500 GB\" or \"1.5 GiB\"",
            Self::Rate => "rate: write it like 2000000, \"2 MB/s\" or \"10 Mbit/s\"",
            Self::Number => "number: write it like 100, or \"off\" for no limit",
        }
    }
}

/// Reads an amount of a file: an integer, or text.
pub(super) struct Visitor(pub(super) Kind);

impl de::Visitor<'_> for Visitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.0.examples())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        let number = u64::try_from(number);
        number.map_err(|_| E::custom("an amount cannot be below zero"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        self.0.parse(text).map_err(E::custom)
    }
}

/// A text that is no amount. It says what would be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAmount {
    text: Box<str>,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Amount(Kind),
    /// No amount has this name, but these.
    Name(&'static [&'static str]),
}

/// So much of a text is repeated.
const LONGEST: usize = 40;

impl InvalidAmount {
    fn new(text: &str, kind: Kind) -> Self {
        Self {
            text: text.chars().take(LONGEST).collect(),
            problem: Problem::Amount(kind),
        }
    }

    /// Creates the error of a name that no amount has.
    pub(super) fn unknown(name: &str, names: &'static [&'static str]) -> Self {
        Self {
            text: name.chars().take(LONGEST).collect(),
            problem: Problem::Name(names),
        }
    }
}

impl fmt::Display for InvalidAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.escape_debug();
        match self.problem {
            Problem::Amount(kind) => write!(f, "`{text}` is no {}", kind.examples()),
            Problem::Name(names) => write!(
                f,
                "there is no amount `{text}`: use one of {}",
                names.join(", ")
            ),
        }
    }
}

impl std::error::Error for InvalidAmount {}
