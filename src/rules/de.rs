//! Rules in configuration files.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    builder::{Groups, RulesBuilder},
    de_values::{CommandName, ProtocolName, Text, some, stated},
    destination::Destination,
    network::Network,
    ports::PortRange,
    rule::{Action, Protocols, Rule},
    rules::Rules,
    schedule::{TimeRange, Weekdays, Zone},
};
use crate::proto::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Action,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    allow_unresolved: bool,
    #[serde(default, deserialize_with = "some")]
    own: Vec<Network>,
    #[serde(default, deserialize_with = "some")]
    nat64: Vec<Network>,
    #[serde(default, deserialize_with = "stated")]
    time_zone: Option<Zone>,
    /// `None` leaves groups to the identities.
    #[serde(default, deserialize_with = "groups")]
    groups: Option<Groups>,
    #[serde(default)]
    rules: Vec<Rule>,
}

impl<'de> Deserialize<'de> for RulesBuilder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = deserializer.deserialize_map(FileVisitor)?;
        let mut builder = Self::new(file.default);
        if file.allow_private {
            builder = builder.allow_private();
        }
        if file.allow_unresolved {
            builder = builder.allow_unresolved();
        }
        builder = file.own.into_iter().fold(builder, Self::own);
        for prefix in file.nat64 {
            builder = builder.nat64(prefix).map_err(D::Error::custom)?;
        }
        if let Some(Zone(zone)) = file.time_zone {
            builder = builder.zone(zone);
        }
        if let Some(groups) = file.groups {
            builder = builder.groups(groups);
        }
        Ok(builder.rules(file.rules))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let builder = RulesBuilder::deserialize(deserializer)?;
        builder.check_names(|_| true).map_err(D::Error::custom)?;
        builder.check_time_zone().map_err(D::Error::custom)?;
        Ok(builder.build())
    }
}

/// A table and nothing else: serde would take a list of the fields' values as well, in which
/// `["allow"]` is a rule.
struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with `default` and `rules`")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<File, A::Error> {
        File::deserialize(MapAccessDeserializer::new(map))
    }
}

fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Groups>, D::Error> {
    deserializer.deserialize_map(GroupsVisitor).map(Some)
}

struct GroupsVisitor;

impl<'de> Visitor<'de> for GroupsVisitor {
    type Value = Groups;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with a list of users for each group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Groups, A::Error> {
        let mut groups = Groups::new();
        while let Some((Text(group), users)) = map.next_entry::<Text, Vec<Text>>()? {
            let problem = format!("the group `{group}` is there twice");
            let users = users.into_iter().map(|Text(user)| user).collect();
            if groups.insert(group, users).is_some() {
                return Err(A::Error::custom(problem));
            }
        }
        Ok(groups)
    }
}

#[derive(Deserialize)]
#[serde(remote = "Rule", deny_unknown_fields)]
struct RuleTable {
    action: Action,
    #[serde(default, deserialize_with = "name")]
    name: Option<String>,
    #[serde(default, rename = "user", deserialize_with = "names")]
    users: Vec<Box<str>>,
    #[serde(default, rename = "group", deserialize_with = "names")]
    groups: Vec<Box<str>>,
    #[serde(default, rename = "client", deserialize_with = "some")]
    clients: Vec<Network>,
    #[serde(default, rename = "protocol", deserialize_with = "protocols")]
    protocols: Protocols,
    #[serde(default, rename = "command", deserialize_with = "commands")]
    commands: Vec<Command>,
    #[serde(default, rename = "to", deserialize_with = "some")]
    destinations: Vec<Destination>,
    #[serde(default, rename = "port", deserialize_with = "some")]
    ports: Vec<PortRange>,
    #[serde(default, rename = "time", deserialize_with = "some")]
    hours: Vec<TimeRange>,
    #[serde(default, rename = "weekday", deserialize_with = "some")]
    days: Vec<Weekdays>,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RuleVisitor)
    }
}

struct RuleVisitor;

impl<'de> Visitor<'de> for RuleVisitor {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule: a table with `action` and conditions")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
        RuleTable::deserialize(MapAccessDeserializer::new(map))
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Text(name) = Text::deserialize(deserializer)?;
    Ok(Some(name.into()))
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    let names = some(deserializer)?;
    Ok(names.into_iter().map(|Text(name)| name).collect())
}

fn protocols<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Protocols, D::Error> {
    let names: Vec<ProtocolName> = some(deserializer)?;
    let protocols = names.into_iter().map(|ProtocolName(it)| it);
    Ok(protocols.fold(Protocols::default(), Protocols::and))
}

fn commands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Command>, D::Error> {
    let names: Vec<CommandName> = some(deserializer)?;
    Ok(names.into_iter().map(|CommandName(it)| it).collect())
}
