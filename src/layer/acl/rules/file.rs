//! Rules in configuration files.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de::Error};

use super::{Action, Builder, Rule, Rules, calendar::zone_named};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Action,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    time_zone: Option<Zone>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    rules: Vec<Rule>,
}

struct Zone(TimeZone);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        zone_named(&name).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Builder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = File::deserialize(deserializer)?;
        let mut builder = Self::new(file.default);
        if file.allow_private {
            builder = builder.allow_private();
        }
        if let Some(Zone(zone)) = file.time_zone {
            builder = builder.zone(zone);
        }
        for (name, users) in file.groups {
            builder = builder.group(name, users);
        }
        Ok(builder.rules(file.rules))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let builder = Builder::deserialize(deserializer)?;
        builder.check_names(|_| true).map_err(D::Error::custom)?;
        Ok(builder.build())
    }
}
