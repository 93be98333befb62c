//! The fields that a table of the file has: those that its reader knows, so that none is forgotten where one is new.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, MapAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use crate::config::Config;

/// A field that no table has.
const UNKNOWN: &str = "\u{0}";

/// Returns the fields of a table, such as `["upstreams", "paris"]`, and those of the whole file for none. There are none
/// where users choose the keys, or there is no table.
pub(crate) fn fields(table: &[&str]) -> &'static [&'static str] {
    match Config::deserialize(Question { table }) {
        Err(Answer::Fields(fields)) => fields,
        Ok(_) | Err(Answer::Other) => &[],
    }
}

/// A file that has the unknown field in one of its tables, and nothing else.
#[derive(Clone, Copy)]
struct Question<'a> {
    table: &'a [&'a str],
}

/// What reading it fails with.
#[derive(Debug)]
enum Answer {
    Fields(&'static [&'static str]),
    Other,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is a question")
    }
}

impl std::error::Error for Answer {}

impl de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        match field {
            UNKNOWN => Self::Fields(expected),
            _ => Self::Other,
        }
    }
}

impl<'de> de::Deserializer<'de> for Question<'_> {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_map(Asked(Some(self)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// The table itself.
struct Asked<'a>(Option<Question<'a>>);

impl<'de> MapAccess<'de> for Asked<'_> {
    type Error = Answer;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Answer> {
        let Some(Question { table }) = self.0 else {
            return Ok(None);
        };
        let key = table.first().copied().unwrap_or(UNKNOWN);
        seed.deserialize(StrDeserializer::<Answer>::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Answer> {
        match self.0.take() {
            Some(Question {
                table: [_, table @ ..],
            }) => seed.deserialize(Question { table }),
            _ => Err(Answer::Other),
        }
    }
}
