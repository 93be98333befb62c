//! Sums for each user and each target.

use std::collections::HashMap;

use serde::Serialize;
use tower_socks::relay::Traffic;

use super::{listing::Listed, row};

/// How many are shown.
const SHOWN: usize = 50;

/// Of one name.
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

/// Returns users and targets, those first that have moved most.
pub(super) fn lines(listed: &[Listed]) -> (Vec<Line>, Vec<Line>) {
    let users = sum(listed, |listed| row::user(&listed.tunnel.identity));
    let targets = sum(listed, |listed| row::host(&listed.tunnel.target));
    (users, targets)
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

fn sum(listed: &[Listed], name: impl Fn(&Listed) -> String) -> Vec<Line> {
    let mut sums = HashMap::<_, Sum>::new();
    for one in listed {
        let sum = sums.entry(name(one)).or_default();
        sum.add(one.tunnel.traffic);
        sum.open += 1;
        sum.rate += one.rate.unwrap_or_default();
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
