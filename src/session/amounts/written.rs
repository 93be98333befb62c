//! Amounts in files: numbers and texts of serde.

use std::fmt;

use serde::{Deserializer, Serialize, Serializer};

use super::size::{Bytes, BytesPerSecond, Kind, OFF, Visitor};

/// A number that is too large for its type is no limit, as the largest is.
pub(super) fn all_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn some_of(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D, kind: Kind) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Visitor(kind))
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    amount(deserializer, Kind::Size).map(Some)
}

pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    amount(deserializer, Kind::Rate).map(Some)
}

pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    amount(deserializer, Kind::Number).map(|number| Some(all_of(number)))
}

pub(super) fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    amount(deserializer, Kind::Number).map(|number| Some(some_of(number)))
}

/// A count, or no limit.
pub(super) struct Number(Option<u64>);

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self(u64::try_from(number).ok().filter(|_| number < usize::MAX))
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(Some(number.into()).filter(|_| number < u32::MAX))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str(OFF),
        }
    }
}

pub(super) fn write_number<N: Copy + Into<Number>, S: Serializer>(
    number: &Option<N>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number.map(Into::into) {
        Some(Number(Some(number))) => serializer.serialize_u64(number),
        _ => serializer.serialize_str(OFF),
    }
}

pub(super) fn write_size<S: Serializer>(
    bytes: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    bytes.map(Bytes).serialize(serializer)
}

pub(super) fn write_rate<S: Serializer>(
    bytes: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    bytes.map(BytesPerSecond).serialize(serializer)
}
