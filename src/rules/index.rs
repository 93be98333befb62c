//! The index: finds the rules that may match, without looking at all of them.
//!
//! Every value of a condition (a name, a network, a user) is a key, and each key knows the rules
//! that state it, in order. A query has few keys: the suffixes of a name, the networks around an
//! address, a user, some groups. A rule whose condition has none of the query's keys does not
//! match.
//!
//! To find the candidates it would do to merge the rules of all the keys, were there no key that
//! every rule states. So each rule has its home at the rarest of its conditions, and is looked
//! at only when that one holds.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;
use smallvec::SmallVec;

use super::postings::{Key, Postings, RuleId};

/// Rules by the values that they state.
#[derive(Default)]
pub(super) struct Index {
    pub(super) names: HashMap<Box<str>, Key>,
    pub(super) below: HashMap<Box<str>, Key>,
    /// The most labels that a suffix has. No name makes us look further.
    pub(super) labels: usize,
    pub(super) networks: JointPrefixMap<IpNet, Placed>,
    pub(super) clients: JointPrefixMap<IpNet, Key>,
    pub(super) users: HashMap<Box<str>, Key>,
    pub(super) groups: HashMap<Box<str>, Key>,
    /// The rules that state a key.
    pub(super) postings: Postings,
    /// Those of them that have their home there.
    pub(super) home: Postings,
    /// Rules whose home is no key, since they state none.
    pub(super) unkeyed: Vec<RuleId>,
    /// Rules that allow and have a destination, by their other conditions: what can still match while
    /// the destination's address is not known.
    pub(super) deferred: Deferred,
    /// The same of rules that deny and state a network: what cannot be judged where nobody here will
    /// know the address.
    pub(super) unjudged: Deferred,
}

/// Rules that have a destination, by their other conditions.
#[derive(Default)]
pub(super) struct Deferred {
    pub(super) keyed: Postings,
    pub(super) unkeyed: Vec<RuleId>,
}

#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) key: Key,
    pub(super) reach: Reach,
}

/// What a network says about the addresses in it.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// It lies in a special-purpose block, so its author knew what they opened.
    pub(super) special: bool,
    /// It is an address.
    pub(super) single: bool,
    /// It lies in a form that embeds IPv4 addresses, so it means the form.
    pub(super) embedding: bool,
}

/// The rules that state a key.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) postings: &'a [RuleId],
    pub(super) home: &'a [RuleId],
    pub(super) key: Key,
}

impl Found<'_> {
    pub(super) fn includes(&self, rule: RuleId) -> bool {
        self.postings.binary_search(&rule).is_ok()
    }
}

/// The keys of one kind that a query has.
pub(super) type Keys<'a> = SmallVec<[Found<'a>; 4]>;

pub(super) fn includes(keys: &[Found<'_>], rule: RuleId) -> bool {
    keys.iter().any(|found| found.includes(rule))
}

impl Index {
    fn found(&self, key: Key) -> Found<'_> {
        Found {
            postings: self.postings.get(key),
            home: self.home.get(key),
            key,
        }
    }

    /// The rules that state a name, or one above it that is at least so long.
    pub(super) fn names(&self, name: &str, least: usize) -> Keys<'_> {
        let mut keys = Keys::new();
        if let Some(key) = self.names.get(name) {
            keys.push(self.found(*key));
        }
        if self.labels > 0 {
            let dots = name.bytes().enumerate().rev();
            let dots = dots.filter(|(_, octet)| *octet == b'.').take(self.labels);
            for (dot, _) in dots {
                let above = name.get(dot + 1..).unwrap_or_default();
                if above.len() >= least
                    && let Some(key) = self.below.get(above)
                {
                    keys.push(self.found(*key));
                }
            }
        }
        keys
    }

    /// The rules that state a network around a destination.
    pub(super) fn networks(&self, address: IpAddr) -> impl Iterator<Item = (Reach, Found<'_>)> {
        let around = self.networks.cover_values(&address.into());
        around.map(|placed| (placed.reach, self.found(placed.key)))
    }

    /// The rules that state a network around a client.
    pub(super) fn clients(&self, address: IpAddr) -> Keys<'_> {
        let around = self.clients.cover_values(&address.into());
        around.map(|key| self.found(*key)).collect()
    }

    pub(super) fn user(&self, name: &str) -> Option<Found<'_>> {
        self.users.get(name).map(|key| self.found(*key))
    }

    pub(super) fn group(&self, name: &str) -> Option<Found<'_>> {
        self.groups.get(name).map(|key| self.found(*key))
    }
}
