//! Sums for each user and each target since the start, of a bounded number of them.

use std::{
    collections::HashMap,
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
        let Ended { users, targets } = self.lock().clone_all();
        let users = lines(users, listed, |listed| {
            let tunnel = &listed.tunnel;
            vec![(row::user(&tunnel.identity), tunnel.traffic)]
        });
        let targets = lines(targets, listed, |listed| {
            let tunnel = &listed.tunnel;
            hosts(&tunnel.target, tunnel.destinations.as_ref(), tunnel.traffic)
        });
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

fn lines(
    mut sums: HashMap<String, Sum>,
    listed: &[Listed],
    names: impl Fn(&Listed) -> Vec<(String, Traffic)>,
) -> Vec<Line> {
    for one in listed {
        // The rate of each destination is not known, and that of the first one stands for all.
        let mut rate = one.rate.unwrap_or_default();
        for (name, traffic) in names(one) {
            let sum = sums.entry(name).or_default();
            sum.add(traffic);
            sum.open += 1;
            sum.rate += std::mem::take(&mut rate);
        }
    }
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
