//! The conditions of a rule with other fields beside them, in one table of the file.

use std::{cell::RefCell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer,
    },
};
use tower_socks::rules::Rule;

/// Fields that stand beside the conditions.
pub(super) trait Beside: Default {
    /// Takes the value of a field, if it is one of these.
    fn take<'de, A: MapAccess<'de>>(&mut self, field: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Looks at all of them.
    fn check(&self) -> Result<(), &'static str>;
}

/// A rule without an action, and what it is for.
#[derive(Clone, Debug)]
pub(super) struct Conditions<T> {
    pub(super) rule: Rule,
    /// It has `to` or `port`.
    pub(super) states_destination: bool,
    pub(super) beside: T,
}

impl<'de, T: Beside> Deserialize<'de> for Conditions<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ConditionsVisitor(std::marker::PhantomData))
    }
}

struct ConditionsVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Beside> Visitor<'de> for ConditionsVisitor<T> {
    type Value = Conditions<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with conditions, as rules have them, and what they are for")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Conditions<T>, A::Error> {
        let seen = RefCell::new((T::default(), false));
        let fields = Fields {
            map,
            seen: &seen,
            action: Action::Due,
        };
        let rule = Rule::deserialize(MapAccessDeserializer::new(fields))?;
        let (beside, states_destination) = seen.into_inner();
        beside.check().map_err(A::Error::custom)?;
        Ok(Conditions {
            rule,
            states_destination,
            beside,
        })
    }
}

/// The fields of a rule: those of the table but for those beside, and an action that nobody asks about.
struct Fields<'a, A, T> {
    map: A,
    seen: &'a RefCell<(T, bool)>,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Due,
    Named,
    Given,
}

impl<'de, A: MapAccess<'de>, T: Beside> MapAccess<'de> for Fields<'_, A, T> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(field) = self.map.next_key::<String>()? {
            let (beside, states_destination) = &mut *self.seen.borrow_mut();
            if field == "action" {
                return Err(A::Error::custom("only rules of [acl] have an `action`"));
            }
            *states_destination |= field == "to" || field == "port";
            if !beside.take(&field, &mut self.map)? {
                return seed.deserialize(field.into_deserializer()).map(Some);
            }
        }
        match self.action {
            Action::Due => {
                self.action = Action::Named;
                seed.deserialize("action".into_deserializer()).map(Some)
            }
            Action::Named | Action::Given => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.action {
            Action::Named => {
                self.action = Action::Given;
                seed.deserialize("allow".into_deserializer())
            }
            Action::Due | Action::Given => self.map.next_value_seed(seed),
        }
    }
}
