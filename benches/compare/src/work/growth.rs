//! What a new connection costs while many others are open.

use rustix::process::{Resource, getrlimit};

use super::{At, connections, tunnels};
use crate::{options::Options, targets::ECHO};

pub(super) const FEW: usize = 100;

/// As many as the descriptors of one process allow: a tunnel takes two, and new ones come and go.
pub(super) fn many(options: &Options) -> usize {
    const SPARE: u64 = 800;
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let possible = descriptors.saturating_sub(SPARE) / 2;
    options
        .held
        .min(usize::try_from(possible).unwrap_or(usize::MAX))
}

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let mut held = tunnels::open(at, FEW, ECHO).await?;
    let few = cost(at).await?;
    let more = many(at.options).saturating_sub(FEW);
    held.extend(tunnels::open(at, more, ECHO).await?);
    let many = cost(at).await?;
    drop(held);
    Ok(vec![(many / few - 1.0) * 100.0, few, many])
}

async fn cost(at: At<'_>) -> anyhow::Result<f64> {
    let (window, _) = connections::visit(at).await?;
    Ok(window.cpu / window.done * 1e6)
}
