//! Rules in the form in which they are evaluated.

use std::{collections::HashMap, net::SocketAddr};

use jiff::tz::TimeZone;

use super::{
    destination::{Destination, Kind},
    index::Index,
    nat64::Nat64,
    network::Network,
    ports::PortRange,
    rule::{Action, Rule},
};
use crate::admission::LogBudget;

/// Rules with an index of their conditions.
pub(super) struct Compiled {
    pub(super) default: Action,
    pub(super) allow_private: bool,
    /// A name that an upstream resolves passes rules that deny networks.
    pub(super) allow_unresolved: bool,
    /// Where the proxy listens, besides the address on which a client came.
    pub(super) listening: Vec<SocketAddr>,
    /// Addresses of this host that it does not know itself.
    pub(super) own: Vec<Network>,
    pub(super) nat64: Vec<Nat64>,
    pub(super) zone: TimeZone,
    /// The groups of each user.
    pub(super) groups: HashMap<Box<str>, Vec<Box<str>>>,
    /// Without what is in the index.
    pub(super) rules: Vec<Rule>,
    pub(super) stated: Vec<Stated>,
    pub(super) index: Index,
    /// Whether any rule looks at the clock.
    pub(super) timed: bool,
    /// Lines about what is allowed and reported: clients can ask for ever new destinations.
    pub(super) reports: LogBudget,
}

/// Which conditions of a rule are in the index, and what is cheap to ask first.
pub(super) struct Stated {
    pub(super) users: bool,
    pub(super) groups: bool,
    pub(super) clients: bool,
    pub(super) names: bool,
    pub(super) networks: bool,
    /// From the lowest port to the highest: most rules about other ports are left at that.
    pub(super) ports: PortRange,
}

impl Stated {
    pub(super) fn of(rule: &Rule) -> Self {
        let is_network = |destination: &Destination| matches!(destination.0, Kind::Network(_));
        Self {
            users: !rule.users.is_empty(),
            groups: !rule.groups.is_empty(),
            clients: !rule.clients.is_empty(),
            names: !rule.destinations.iter().all(is_network),
            networks: rule.destinations.iter().any(is_network),
            ports: PortRange::around(&rule.ports),
        }
    }
}
