//! What a listener can have for itself, or can do without: `false`, or a table.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

/// What is stated for one listener.
#[derive(Clone, Debug)]
pub(crate) enum Own<T> {
    /// `false`, or `true`.
    Switched(bool),
    Stated(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Own<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OwnVisitor(PhantomData))
    }
}

struct OwnVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for OwnVisitor<T> {
    type Value = Own<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("false, true, or a table")
    }

    fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<Own<T>, E> {
        Ok(Own::Switched(is_on))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Own<T>, A::Error> {
        let table = de::value::MapAccessDeserializer::new(table);
        T::deserialize(table).map(Own::Stated)
    }
}

impl<T: Clone> Own<T> {
    /// What a listener has: its own, or that of the top level where it states none.
    ///
    /// # Errors
    ///
    /// It is switched on, and there is nothing to switch on.
    pub(super) fn resolve(
        own: Option<&Self>,
        top: Option<&T>,
        table: &str,
    ) -> Result<Option<T>, String> {
        match (own, top) {
            (None, top) => Ok(top.cloned()),
            (Some(Self::Stated(own)), _) => Ok(Some(own.clone())),
            (Some(Self::Switched(false)), _) => Ok(None),
            (Some(Self::Switched(true)), Some(top)) => Ok(Some(top.clone())),
            (Some(Self::Switched(true)), None) => Err(format!(
                "`true` takes the settings of `[{table}]`, and there is no such table"
            )),
        }
    }
}
