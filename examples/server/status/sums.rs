//! Sums for each user and each target since the start, of a bounded number of them.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tower_socks::{
    layer::record::{Destinations, Record},
    proto::Address,
    relay::Traffic,
};

use super::{listing::Listed, row};

/// Names that are kept of each kind; and how many are shown.
const KEPT: usize = 2000;
const SHOWN: usize = 50;

/// Tunnels that have ended, summed up.
#[derive(Debug, Default)]
pub(super) struct Sums(Mutex<Ended>);

#[derive(Debug, Default)]
struct Ended {
    users: HashMap<String, Sum>,
    targets: HashMap<String, Sum>,
}

/// Of one name: tunnels that have ended, or all of them, and their octets.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    open: u64,
    tunnels: u64,
    traffic: Traffic,
    rate: Traffic,
}

#[derive(Debug, Serialize)]
pub(super) struct Line {
    name: String,
    open: u64,
    tunnels: u64,
    up: u64,
    down: u64,
    up_rate: u64,
    down_rate: u64,
}

impl Sums {
    /// Adds a tunnel that has ended.
    pub(super) fn add(&self, record: &Record) {
        // Nothing else has a reply that tells where it was opened.
        let (Some(_), Some(target)) = (&record.bound, &record.target) else {
            return;
        };
        let user = row::user(&record.identity);
        let hosts = hosts(target, record.destinations.as_ref(), record.traffic);
        let mut ended = self.lock();
        add(&mut ended.users, user, record.traffic);
        for (host, traffic) in hosts {
            add(&mut ended.targets, host, traffic);
        }
    }

    /// Returns users and targets, those first that have moved most.
    pub(super) fn lines(&self, listed: &[Listed]) -> (Vec<Line>, Vec<Line>) {
        let Ended {
            mut users,
            mut targets,
        } = self.lock().clone_all();
        let all = listed.iter();
        for (one, sum) in together(all, |one| one.tunnel.identity.name()) {
            let user = row::user(&one.tunnel.identity);
            users.entry(user).or_default().merge(sum);
        }
        let (associations, others): (Vec<_>, Vec<_>) = listed
            .iter()
            .partition(|one| one.tunnel.destinations.is_some());
        for (one, sum) in together(others, |one| host(&one.tunnel.target)) {
            let target = row::host(&one.tunnel.target);
            targets.entry(target).or_default().merge(sum);
        }
        for one in associations {
            let tunnel = &one.tunnel;
            // The rate of each destination is not known, and that of the first one stands for all.
            let mut rate = one.rate.unwrap_or_default();
            let hosts = hosts(&tunnel.target, tunnel.destinations.as_ref(), tunnel.traffic);
            for (host, traffic) in hosts {
                let sum = targets.entry(host).or_default();
                sum.open(traffic, std::mem::take(&mut rate));
            }
        }
        let (users, targets) = (most(users), most(targets));
        (users, targets)
    }

    fn lock(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ended {
    fn clone_all(&self) -> Self {
        Self {
            users: self.users.clone(),
            targets: self.targets.clone(),
        }
    }
}

impl Sum {
    fn add(&mut self, traffic: Traffic) {
        self.tunnels += 1;
        self.traffic += traffic;
    }

    /// Adds a tunnel that is open.
    fn open(&mut self, traffic: Traffic, rate: Traffic) {
        self.add(traffic);
        self.open += 1;
        self.rate += rate;
    }

    fn merge(&mut self, other: Self) {
        self.open += other.open;
        self.tunnels += other.tunnels;
        self.traffic += other.traffic;
        self.rate += other.rate;
    }

    const fn moved(&self) -> u64 {
        self.traffic.up.saturating_add(self.traffic.down)
    }
}

/// Where octets went: to the target, or to the destinations of an association.
fn hosts(
    target: &Address,
    destinations: Option<&Destinations>,
    traffic: Traffic,
) -> Vec<(String, Traffic)> {
    let listed = destinations.map(Destinations::list).unwrap_or_default();
    if listed.is_empty() {
        return vec![(row::host(target), traffic)];
    }
    let mut hosts: Vec<(String, Traffic)> = Vec::new();
    for one in listed {
        let (host, traffic) = (
            row::host(&one.address),
            Traffic {
                up: one.up,
                down: one.down,
            },
        );
        match hosts.iter_mut().find(|(known, _)| *known == host) {
            Some((_, sum)) => *sum += traffic,
            None => hosts.push((host, traffic)),
        }
    }
    hosts
}

fn add(sums: &mut HashMap<String, Sum>, name: String, traffic: Traffic) {
    if let Some(sum) = sums.get_mut(&name) {
        sum.add(traffic);
        return;
    }
    if sums.len() >= KEPT {
        thin(sums);
    }
    sums.entry(name).or_default().add(traffic);
}

/// Forgets the smaller half: clients can invent names, and those that move much stay.
fn thin(sums: &mut HashMap<String, Sum>) {
    let mut moved: Vec<_> = sums.values().map(Sum::moved).collect();
    let half = moved.len() / 2;
    let (_, median, _) = moved.select_nth_unstable(half);
    let median = *median;
    sums.retain(|_, sum| sum.moved() > median);
}

/// Sums up open tunnels that have something in common, so that of thousands few names are written. Returns one of each
/// and the sum.
fn together<'a, K: Eq + Hash>(
    listed: impl IntoIterator<Item = &'a Listed>,
    key: impl Fn(&'a Listed) -> K,
) -> impl Iterator<Item = (&'a Listed, Sum)> {
    let mut sums = HashMap::new();
    for one in listed {
        let (_, sum) = sums
            .entry(key(one))
            .or_insert_with(|| (one, Sum::default()));
        sum.open(one.tunnel.traffic, one.rate.unwrap_or_default());
    }
    sums.into_values()
}

/// The same of two targets that differ in the port.
fn host(target: &Address) -> (Option<IpAddr>, &str) {
    match target {
        Address::Ip(address) => (Some(address.ip()), ""),
        Address::Name(name, _) => (None, name.as_str()),
    }
}

/// Returns those that have moved most.
fn most(sums: HashMap<String, Sum>) -> Vec<Line> {
    let mut all: Vec<_> = sums.into_iter().collect();
    all.sort_unstable_by(|(one, a), (another, b)| {
        b.moved().cmp(&a.moved()).then_with(|| one.cmp(another))
    });
    all.truncate(SHOWN);
    let line = |(name, sum): (String, Sum)| Line {
        name,
        open: sum.open,
        tunnels: sum.tunnels,
        up: sum.traffic.up,
        down: sum.traffic.down,
        up_rate: sum.rate.up,
        down_rate: sum.rate.down,
    };
    all.into_iter().map(line).collect()
}
