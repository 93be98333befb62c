//! What a new connection costs while many others are open, and what those occupy.

use rustix::process::{Resource, getrlimit};

use super::{
    At, connections,
    memory::{settle, warm},
    tunnels,
};
use crate::{options::Options, targets::ECHO};

const FEW: usize = 100;
const SOME: usize = 1_000;

/// How many are held open, one number after the other.
pub(crate) fn steps(options: &Options) -> [usize; 3] {
    let many = many(options);
    [FEW.min(many), SOME.min(many), many]
}

/// As many as the descriptors of one process allow: a tunnel takes two, and new ones come and go.
fn many(options: &Options) -> usize {
    const SPARE: u64 = 800;
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let possible = descriptors.saturating_sub(SPARE) / 2;
    options
        .held
        .min(usize::try_from(possible).unwrap_or(usize::MAX))
}

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let before = warm(at).await?;
    let mut held = Vec::new();
    let (mut costs, mut memories) = (Vec::new(), Vec::new());
    for step in steps(at.options) {
        let more = step.saturating_sub(held.len());
        held.extend(tunnels::open(at, more, ECHO).await?);
        settle().await;
        let grown = at.server.memory() - before;
        memories.push(grown / held.len() as f64 / 1024.0);
        costs.push(cost(at).await?);
    }
    drop(held);
    let growth = (costs[2] / costs[0] - 1.0) * 100.0;
    let numbers = [growth].into_iter().chain(costs).chain(memories);
    Ok(numbers.collect())
}

async fn cost(at: At<'_>) -> anyhow::Result<f64> {
    let (window, _) = connections::visit(at).await?;
    Ok(window.cpu / window.done * 1e6)
}
