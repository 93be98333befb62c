//! Conditions in configuration files.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, SeqAccessDeserializer, StrDeserializer},
    },
};

use super::{
    destination::Destination,
    error::InvalidCondition,
    network::Network,
    ports::PortRange,
    rule::Action,
    schedule::{TimeRange, Weekdays, Zone},
};
use crate::{proto::Command, session::Protocol};

/// One value, or a list of at least one.
///
/// # Errors
///
/// For an empty list as well: it is not plain whether it would hold always or never.
pub(super) fn some<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Expected,
{
    deserializer.deserialize_any(SomeVisitor(PhantomData))
}

/// One value, where one is there at all: nothing (JSON's `null`) is none.
pub(super) fn stated<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Says what a condition is read from, in errors about anything else.
pub(super) trait Expected {
    const EXPECTED: &'static str;
}

struct SomeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Expected> Visitor<'de> for SomeVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a list of those", T::EXPECTED)
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
                "an empty list matches nothing: leave the field out to match everything",
            ));
        }
        Ok(values)
    }
}

/// A condition as text.
struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display> + Expected> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// The name of a user, of a group, or of a rule.
pub(super) struct Text(pub(super) Box<str>);

impl FromStr for Text {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        if text.is_empty() {
            return Err(InvalidCondition::new("an empty name is nobody's"));
        }
        Ok(Self(text.into()))
    }
}

/// A command as configuration files name it.
pub(super) struct CommandName(pub(super) Command);

impl FromStr for CommandName {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        match text {
            "connect" => Ok(Self(Command::CONNECT)),
            "bind" => Ok(Self(Command::BIND)),
            "udp" => Ok(Self(Command::UDP_ASSOCIATE)),
            "resolve" => Ok(Self(Command::RESOLVE)),
            "resolve_ptr" => Ok(Self(Command::RESOLVE_PTR)),
            _ => Err(InvalidCondition::new(format_args!(
                "`{text}` is no command: write \"connect\", \"bind\", \"udp\", \"resolve\" or \
                 \"resolve_ptr\""
            ))),
        }
    }
}

/// A protocol as configuration files name it.
pub(super) struct ProtocolName(pub(super) Protocol);

impl FromStr for ProtocolName {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let parsed = text.parse::<Protocol>();
        parsed
            .map(Self)
            .map_err(|problem| InvalidCondition::new(format_args!("`{text}` is {problem}")))
    }
}

macro_rules! from_text {
    ($($condition:ty: $expected:literal,)+) => {$(
        impl Expected for $condition {
            const EXPECTED: &'static str = $expected;
        }

        impl<'de> Deserialize<'de> for $condition {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor(PhantomData))
            }
        }
    )+};
}

from_text! {
    Action: "\"allow\", \"deny\" or \"report\"",
    ProtocolName: "\"socks5\", \"socks4\" or \"http\"",
    CommandName: "\"connect\", \"bind\", \"udp\", \"resolve\" or \"resolve_ptr\"",
    Destination: "a name, `*.` and a name, an address or a network, as text",
    Network: "an address or a network, as text",
    TimeRange: "a part of the day, such as \"08:00-18:00\"",
    Weekdays: "a weekday, such as \"mon\" or \"mon-fri\"",
    Text: "a name, as text",
    Zone: "a time zone, such as \"Europe/Berlin\"",
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

impl Expected for PortRange {
    const EXPECTED: &'static str = "a port, or a range of ports such as \"8000-8999\"";
}

struct PortsVisitor;

impl Visitor<'_> for PortsVisitor {
    type Value = PortRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PortRange::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PortRange, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PortRange, E> {
        u16::try_from(number)
            .map(PortRange::from)
            .map_err(|_| no_port(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<PortRange, E> {
        u16::try_from(number)
            .map(PortRange::from)
            .map_err(|_| no_port(number))
    }
}

fn no_port<E: Error>(number: impl fmt::Display) -> E {
    E::custom(format_args!("{number} is no port: they go from 0 to 65535"))
}
