//! `[outgoing]` of the file: from where connections and datagrams leave.

mod addresses;
mod choice;
mod conditions;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess},
};
use tower_socks::{
    connector::{Family, Outgoing},
    rules::RulesBuilder,
};

use crate::listen::Door;

use self::{
    addresses::Addresses,
    conditions::{Beside, Conditions},
};
pub(crate) use self::{addresses::one_of_each_family, choice::Choice};

/// What is stated of it, at the top level, of a listener or by a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stated {
    address: Option<Addresses>,
    interface: Option<Interface>,
    family: Option<FamilyName>,
}

/// `[outgoing]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutgoingTable {
    address: Option<Addresses>,
    interface: Option<Interface>,
    family: Option<FamilyName>,
    rules: Vec<Conditions<Stated>>,
}

impl OutgoingTable {
    /// What is in force where neither a rule nor a listener says otherwise.
    pub(crate) fn stated(&self) -> Stated {
        Stated {
            address: self.address.clone(),
            interface: self.interface.clone(),
            family: self.family,
        }
    }

    /// The rules alone.
    pub(crate) fn rules(&self) -> OutgoingRules {
        OutgoingRules(self.rules.clone())
    }
}

impl Stated {
    /// With what `base` says of the rest.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            address: self.address.clone().or(base.address.clone()),
            interface: self.interface.clone().or(base.interface.clone()),
            family: self.family.or(base.family),
        }
    }

    pub(crate) fn outgoing(&self) -> Outgoing {
        let mut outgoing = Outgoing::new().family(self.family.unwrap_or_default().into());
        if let Some(addresses) = &self.address {
            outgoing = addresses.of(outgoing);
        }
        match &self.interface {
            Some(Interface(name)) => outgoing.interface(&**name),
            None => outgoing,
        }
    }

    /// Tries whether this machine has what is stated.
    ///
    /// # Errors
    ///
    /// It has not, with `place` in front, where that is stated.
    pub(crate) fn check(&self, place: &dyn fmt::Display) -> Result<(), String> {
        self.outgoing().check().map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let inner = error.get_ref().and_then(|inner| inner.source());
            let cause = inner.map(|cause| format!(": {cause}")).or(cause);
            format!("{place}: {error}{}", cause.unwrap_or_default())
        })
    }
}

/// `[[outgoing.rules]]`, of which the first that matches says what is different.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutgoingRules(Vec<Conditions<Stated>>);

impl OutgoingRules {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rules under the groups of `[acl]`, over what a listener has.
    pub(crate) fn over(&self, base: &Stated, acl: &RulesBuilder) -> Choice {
        Choice::new(&self.0, base, acl)
    }

    /// Tries whether this machine has what the top level, the listeners and the rules state.
    ///
    /// # Errors
    ///
    /// It has not, and where that is stated.
    pub(crate) fn check(&self, top: &Stated, doors: &[Door]) -> Result<(), String> {
        top.check(&"outgoing")?;
        for door in doors {
            let place = format_args!("listener at {door}, outgoing");
            door.network.outgoing.check(&place)?;
        }
        for (index, rule) in self.0.iter().enumerate() {
            let place = format_args!("outgoing, rule {}", index + 1);
            rule.beside.over(top).check(&place)?;
        }
        Ok(())
    }

    /// Looks for a time zone that is not known, which rules with hours take from the environment where `[acl]` has none.
    ///
    /// # Errors
    ///
    /// There is one.
    pub(crate) fn check_time_zone(&self, acl: &RulesBuilder) -> Result<(), String> {
        let rules = self.0.iter().map(|rule| rule.rule.clone());
        let rules = acl.clone().with_rules(rules);
        let checked = rules.check_time_zone();
        checked.map_err(|problem| format!("outgoing, {problem}"))
    }

    /// Looks for groups that are not in `[acl]`, and for users that nobody knows.
    ///
    /// # Errors
    ///
    /// Which rule names one.
    pub(crate) fn check_names(
        &self,
        acl: &RulesBuilder,
        known: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        for (index, rule) in self.0.iter().enumerate() {
            let with_it = acl.clone().with_rules([rule.rule.clone()]);
            with_it.check_names(&known).map_err(|problem| {
                let problem = problem.to_string();
                let problem = problem.split_once(", ").map_or(&*problem, |(_, it)| it);
                format!("outgoing, rule {}, {problem}", index + 1)
            })?;
        }
        Ok(())
    }
}

impl Beside for Stated {
    fn take<'de, A: MapAccess<'de>>(&mut self, field: &str, map: &mut A) -> Result<bool, A::Error> {
        match field {
            "address" => self.address = Some(map.next_value()?),
            "interface" => self.interface = Some(map.next_value()?),
            "family" => self.family = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self) -> Result<(), &'static str> {
        match self == &Self::default() {
            true => {
                Err("a rule that changes nothing: state an `address`, an `interface` or a `family`")
            }
            false => Ok(()),
        }
    }
}

/// The name of an interface, as the system takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface(String);

impl<'de> Deserialize<'de> for Interface {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '/';
        match name.is_empty() || name.len() > 15 || name.contains(is_odd) {
            true => Err(de::Error::custom(format_args!(
                "`{}` is no name of an interface, such as \"eth1\"",
                name.escape_debug()
            ))),
            false => Ok(Self(name)),
        }
    }
}

/// `family`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FamilyName {
    #[default]
    Both,
    Ipv4,
    Ipv6,
    Ipv4First,
    Ipv6First,
}

impl From<FamilyName> for Family {
    fn from(name: FamilyName) -> Self {
        match name {
            FamilyName::Both => Self::Both,
            FamilyName::Ipv4 => Self::Ipv4,
            FamilyName::Ipv6 => Self::Ipv6,
            FamilyName::Ipv4First => Self::Ipv4First,
            FamilyName::Ipv6First => Self::Ipv6First,
        }
    }
}

/// For people.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(addresses) => write!(f, "from {addresses}")?,
            None => f.write_str("from where the route begins")?,
        }
        if let Some(Interface(name)) = &self.interface {
            write!(f, ", by {name}")?;
        }
        f.write_str(match self.family.unwrap_or_default() {
            FamilyName::Both => "",
            FamilyName::Ipv4 => ", IPv4 only",
            FamilyName::Ipv6 => ", IPv6 only",
            FamilyName::Ipv4First => ", IPv4 first",
            FamilyName::Ipv6First => ", IPv6 first",
        })
    }
}
