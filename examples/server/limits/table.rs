//! What each user has.

use std::collections::HashMap;

use tower_socks::{Identity, session::Amounts};

use super::Limits;

/// What is in force for each user.
#[derive(Debug, Default)]
pub(super) struct Table {
    all: Amounts,
    users: HashMap<String, Amounts>,
    groups: HashMap<String, Amounts>,
    /// The groups of each user that are in the file, of those that have amounts.
    memberships: HashMap<String, Vec<String>>,
}

impl Table {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            all: limits.for_all(),
            users: limits.users.clone().into_iter().collect(),
            groups: limits.groups.clone().into_iter().collect(),
            memberships: limits.memberships.clone().into_iter().collect(),
        }
    }

    /// Whether it says nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.all == Amounts::new() && self.users.is_empty() && self.groups.is_empty()
    }

    /// What this one has: of its own table, then what a directory says, then the largest of its groups, then what all have.
    pub(super) fn of(&self, identity: &Identity) -> Amounts {
        let name = identity
            .name()
            .and_then(|name| std::str::from_utf8(name).ok());
        let own = name.and_then(|name| self.users.get(name));
        let stated = name.and_then(|name| self.memberships.get(name));
        let stated = stated.into_iter().flatten().map(String::as_str);
        let found_out = identity.groups().iter().map(|group| &**group);
        let groups = stated.chain(found_out);
        let amounts = groups.filter_map(|group| self.groups.get(group));
        let largest = amounts.fold(Amounts::new(), |most, group| most.larger(group));
        let mut amounts = own.cloned().unwrap_or_default();
        if let Some(directory) = Amounts::of(identity) {
            amounts = amounts.or(directory);
        }
        amounts.or(&largest).or(&self.all)
    }
}
