//! How rules get into the index: their keys are counted, and each has its home at the rarest.

use std::mem::take;

use ipnet::IpNet;

use super::{
    destination::Kind,
    index::{Index, Placed, Reach},
    ipv4_in_ipv6,
    nat64::Nat64,
    network::ip_net,
    postings::{Key, Postings},
    rule::Rule,
    special_purpose,
};

impl Index {
    /// Takes what the rules state out of them.
    pub(super) fn new(rules: &mut [Rule], nat64: &[Nat64]) -> Self {
        IndexBuilder::default().build(rules, nat64)
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
