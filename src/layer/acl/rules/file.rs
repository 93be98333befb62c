//! Rules in configuration files.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use super::{Action, Rule, Rules};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Action,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    time_zone: Option<String>,
    /// `None` leaves groups to the identities.
    #[serde(default)]
    groups: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    rules: Vec<Rule>,
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = File::deserialize(deserializer)?;
        let mut builder = Self::builder(file.default);
        if file.allow_private {
            builder = builder.allow_private();
        }
        if let Some(name) = &file.time_zone {
            builder = builder
                .time_zone(name)
                .map_err(|problem| D::Error::custom(format_args!("time_zone: {problem}")))?;
        }
        if let Some(groups) = &file.groups {
            check_groups(&file.rules, groups).map_err(D::Error::custom)?;
        }
        for (name, users) in file.groups.into_iter().flatten() {
            builder = builder.group(name, users);
        }
        for rule in file.rules {
            builder = builder.rule(rule);
        }
        Ok(builder.build())
    }
}

/// A slip in the name of a group would make a deny rule apply to nobody.
fn check_groups(rules: &[Rule], groups: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    for (number, rule) in (1..).zip(rules) {
        let mut stated = rule.groups.iter();
        if let Some(unknown) = stated.find(|group| !groups.contains_key(&***group)) {
            let known: Vec<&str> = groups.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(format!(
                "rules[{number}].group: there is no group `{unknown}` among the groups: {known}"
            ));
        }
    }
    Ok(())
}
