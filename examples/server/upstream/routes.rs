//! `[[routes]]`: conditions as rules have them, and an upstream.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, MapAccess,
        value::{BorrowedStrDeserializer, MapAccessDeserializer, StringDeserializer},
    },
};
use tower_socks::rules::Rule;

/// One of `[[routes]]`.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(super) rule: Rule,
    pub(super) upstream: String,
}

impl Route {
    /// The conditions.
    pub(crate) const fn rule(&self) -> &Rule {
        &self.rule
    }
}

impl<'de> Deserialize<'de> for Route {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RouteVisitor)
    }
}

struct RouteVisitor;

impl<'de> de::Visitor<'de> for RouteVisitor {
    type Value = Route;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a route: a table with `upstream` and conditions")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Route, A::Error> {
        let mut upstream = None;
        let conditions = Conditions {
            map,
            upstream: &mut upstream,
            action: Action::ToCome,
        };
        let rule = Rule::deserialize(MapAccessDeserializer::new(conditions))?;
        let upstream = upstream.ok_or_else(|| de::Error::missing_field("upstream"))?;
        Ok(Route { rule, upstream })
    }
}

/// The fields of a route as those of a rule: without `upstream`, and with an action, which is of no account.
struct Conditions<'a, A> {
    map: A,
    upstream: &'a mut Option<String>,
    action: Action,
}

#[derive(PartialEq)]
enum Action {
    ToCome,
    Is,
    Was,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Conditions<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while self.action == Action::ToCome {
            let Some(key) = self.map.next_key::<String>()? else {
                self.action = Action::Is;
                return seed
                    .deserialize(BorrowedStrDeserializer::new("action"))
                    .map(Some);
            };
            match &*key {
                "upstream" if self.upstream.is_some() => {
                    return Err(de::Error::duplicate_field("upstream"));
                }
                "upstream" => *self.upstream = Some(self.map.next_value()?),
                "action" => {
                    return Err(de::Error::custom(
                        "a route has no action: write upstream = \"refuse\", or refuse it by [[acl.rules]]",
                    ));
                }
                _ => return seed.deserialize(StringDeserializer::new(key)).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        if self.action == Action::Is {
            self.action = Action::Was;
            return seed.deserialize(BorrowedStrDeserializer::new("allow"));
        }
        self.map.next_value_seed(seed)
    }
}
