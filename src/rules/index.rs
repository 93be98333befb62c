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

use std::{collections::HashMap, mem::take, net::IpAddr};

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;
use smallvec::SmallVec;

use super::{
    destination::Kind,
    ipv4_in_ipv6,
    nat64::Nat64,
    network::ip_net,
    postings::{Key, Postings, RuleId},
    rule::Rule,
    special_purpose,
};

/// Rules by the values that they state.
#[derive(Default)]
pub(super) struct Index {
    names: HashMap<Box<str>, Key>,
    below: HashMap<Box<str>, Key>,
    /// The most labels that a suffix has. No name makes us look further.
    labels: usize,
    networks: JointPrefixMap<IpNet, Placed>,
    clients: JointPrefixMap<IpNet, Key>,
    users: HashMap<Box<str>, Key>,
    groups: HashMap<Box<str>, Key>,
    /// The rules that state a key.
    postings: Postings,
    /// Those of them that have their home there.
    home: Postings,
    /// Rules whose home is no key, since they state none.
    unkeyed: Vec<RuleId>,
    /// Rules that allow and have a destination, by their other conditions: what can still match while
    /// the destination's address is not known.
    deferred: Deferred,
    /// The same of rules that deny and state a network: what cannot be judged where nobody here will
    /// know the address.
    unjudged: Deferred,
}

/// Rules that have a destination, by their other conditions.
#[derive(Default)]
struct Deferred {
    keyed: Postings,
    unkeyed: Vec<RuleId>,
}

#[derive(Clone, Copy)]
struct Placed {
    key: Key,
    reach: Reach,
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
    postings: &'a [RuleId],
    home: &'a [RuleId],
    key: Key,
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
    /// Takes what the rules state out of them.
    pub(super) fn new(rules: &mut [Rule], nat64: &[Nat64]) -> Self {
        IndexBuilder::default().build(rules, nat64)
    }

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

/// Candidates in the order of the rules.
pub(super) struct Candidates<'a> {
    heads: SmallVec<[&'a [RuleId]; 12]>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(index: &'a Index, keys: impl Iterator<Item = Found<'a>>) -> Self {
        let mut heads: SmallVec<[&[RuleId]; 12]> = keys.map(|found| found.home).collect();
        heads.push(index.unkeyed.as_slice());
        Self { heads }
    }

    /// Those that can still match while the destination's address is not known.
    pub(super) fn deferred(index: &'a Index, keys: impl Iterator<Item = Found<'a>>) -> Self {
        Self::of(&index.deferred, keys)
    }

    /// Those that deny, and would have to know the address.
    pub(super) fn unjudged(index: &'a Index, keys: impl Iterator<Item = Found<'a>>) -> Self {
        Self::of(&index.unjudged, keys)
    }

    fn of(deferred: &'a Deferred, keys: impl Iterator<Item = Found<'a>>) -> Self {
        let heads = keys.map(|found| deferred.keyed.get(found.key));
        let heads = heads.chain([deferred.unkeyed.as_slice()]);
        Self {
            heads: heads.collect(),
        }
    }

    /// Both, in the order of the rules.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.heads.extend(other.heads);
        self
    }
}

impl Iterator for Candidates<'_> {
    type Item = RuleId;

    fn next(&mut self) -> Option<RuleId> {
        let next = self
            .heads
            .iter()
            .filter_map(|head| head.first().copied())
            .min()?;
        for head in &mut self.heads {
            if let [first, rest @ ..] = *head
                && *first == next
            {
                *head = rest;
            }
        }
        Some(next)
    }
}

/// Builds an index.
#[derive(Default)]
struct IndexBuilder {
    index: Index,
    keys: Key,
}

/// The keys of a rule, by kind.
struct RuleKeys {
    destinations: Vec<Key>,
    has_networks: bool,
    others: [Vec<Key>; 3],
}

impl IndexBuilder {
    fn build(mut self, rules: &mut [Rule], nat64: &[Nat64]) -> Index {
        let keyed = rules.iter_mut().map(|rule| self.keys_of(rule, nat64));
        let keyed: Vec<RuleKeys> = keyed.collect();
        let numbered = || (0..).zip(rules.iter()).zip(&keyed);
        let mut pairs = Vec::new();
        for ((id, _), keys) in numbered() {
            let all = keys.others.iter().flatten().chain(&keys.destinations);
            pairs.extend(all.map(|key| (*key, id)));
        }
        let postings = Postings::new(self.keys, &pairs);

        let (mut home, mut deferred, mut unjudged) = (Vec::new(), Vec::new(), Vec::new());
        let index = &mut self.index;
        for ((id, rule), keys) in numbered() {
            let others = rarest(&postings, &keys.others);
            let kinds = [&keys.destinations].into_iter().chain(&keys.others);
            match rarest(&postings, kinds) {
                [] => index.unkeyed.push(id),
                keys => home.extend(keys.iter().map(|key| (*key, id))),
            }
            if keys.destinations.is_empty() {
                continue;
            }
            let (unkeyed, keyed) = if rule.action.allows() {
                (&mut index.deferred.unkeyed, &mut deferred)
            } else if keys.has_networks {
                (&mut index.unjudged.unkeyed, &mut unjudged)
            } else {
                continue;
            };
            match others {
                [] => unkeyed.push(id),
                keys => keyed.extend(keys.iter().map(|key| (*key, id))),
            }
        }
        index.home = Postings::new(self.keys, &home);
        index.deferred.keyed = Postings::new(self.keys, &deferred);
        index.unjudged.keyed = Postings::new(self.keys, &unjudged);
        index.postings = postings;
        self.index
    }

    fn keys_of(&mut self, rule: &mut Rule, nat64: &[Nat64]) -> RuleKeys {
        let Self { index, keys } = self;
        let has_networks = rule
            .destinations
            .iter()
            .any(|destination| matches!(destination.0, Kind::Network(_)));
        let destinations = take(&mut rule.destinations).into_iter();
        let destinations = destinations.map(|destination| match destination.0 {
            Kind::Name(name) => *index.names.entry(name).or_insert_with(|| fresh(keys)),
            Kind::Below(name) => {
                let labels = 1 + name.bytes().filter(|octet| *octet == b'.').count();
                index.labels = index.labels.max(labels);
                *index.below.entry(name).or_insert_with(|| fresh(keys))
            }
            Kind::Network(network) => {
                let network = ip_net(network);
                let placed = || Placed {
                    key: fresh(keys),
                    reach: Reach::of(network, nat64),
                };
                index.networks.entry(network).or_insert_with(placed).key
            }
        });
        let destinations = destinations.collect();
        let clients = take(&mut rule.clients).into_iter();
        let clients = clients.map(|client| {
            *index
                .clients
                .entry(ip_net(client))
                .or_insert_with(|| fresh(keys))
        });
        let clients = clients.collect();
        let users = take(&mut rule.users).into_iter();
        let users = users.map(|user| *index.users.entry(user).or_insert_with(|| fresh(keys)));
        let users = users.collect();
        let groups = take(&mut rule.groups).into_iter();
        let groups = groups.map(|group| *index.groups.entry(group).or_insert_with(|| fresh(keys)));
        let groups = groups.collect();
        RuleKeys {
            destinations,
            has_networks,
            others: [users, groups, clients],
        }
    }
}

impl Reach {
    fn of(network: IpNet, nat64: &[Nat64]) -> Self {
        let (first, len) = (network.network(), network.prefix_len());
        Self {
            special: special_purpose::is_within(first, len),
            single: len == network.max_prefix_len(),
            embedding: ipv4_in_ipv6::is_embedding(first, len)
                || nat64.iter().any(|prefix| prefix.includes(first, len)),
        }
    }
}

fn fresh(keys: &mut Key) -> Key {
    *keys += 1;
    *keys - 1
}

/// The kind of keys of which the commonest is the rarest.
fn rarest<'a>(postings: &Postings, kinds: impl IntoIterator<Item = &'a Vec<Key>>) -> &'a [Key] {
    let kinds = kinds.into_iter().filter(|keys| !keys.is_empty());
    let commonest = |keys: &Vec<Key>| keys.iter().map(|key| postings.len(*key)).max();
    kinds
        .min_by_key(|keys| commonest(keys))
        .map_or(&[], Vec::as_slice)
}
