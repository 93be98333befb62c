//! Conditions in configuration files.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, SeqAccessDeserializer, StrDeserializer},
    },
};

use super::{Days, Destination, Hours, Network, Ports};

/// One value, or a list of at least one.
///
/// # Errors
///
/// For an empty list as well: it is not plain whether it would hold always or never.
pub(super) fn some<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(SomeVisitor(PhantomData))
}

struct SomeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SomeVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        Ok(vec![T::deserialize(StrDeserializer::new(text))?])
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Vec<T>, E> {
        Ok(vec![T::deserialize(BorrowedStrDeserializer::new(text))?])
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
        use serde::de::value::I64Deserializer;
        Ok(vec![T::deserialize(I64Deserializer::new(number))?])
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<T>, E> {
        use serde::de::value::U64Deserializer;
        Ok(vec![T::deserialize(U64Deserializer::new(number))?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Vec<T>, A::Error> {
        let values = Vec::deserialize(SeqAccessDeserializer::new(sequence))?;
        if values.is_empty() {
            return Err(A::Error::custom(
                "an empty list applies to nothing: leave the field out to apply to everything",
            ));
        }
        Ok(values)
    }
}

/// A condition as text.
struct TextVisitor<T> {
    expected: &'static str,
    parsed: PhantomData<T>,
}

impl<T> TextVisitor<T> {
    const fn new(expected: &'static str) -> Self {
        Self {
            expected,
            parsed: PhantomData,
        }
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! from_text {
    ($($condition:ty: $expected:literal,)+) => {$(
        impl<'de> Deserialize<'de> for $condition {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor::new($expected))
            }
        }
    )+};
}

from_text! {
    Destination: "a name, `*.` and a name, an address or a network, as text",
    Network: "an address or a network, as text",
    Hours: "a part of the day, such as \"08:00-18:00\"",
    Days: "a weekday, such as \"mon\" or \"mon-fri\"",
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

struct PortsVisitor;

impl Visitor<'_> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port, or a range of ports such as \"8000-8999\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Ports, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Ports, E> {
        match u16::try_from(number) {
            Ok(port) => Ok(port.into()),
            Err(_) => Err(E::custom(format_args!(
                "{number} is no port: they go from 0 to 65535"
            ))),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Ports, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
