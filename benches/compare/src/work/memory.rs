//! What a tunnel occupies in which nothing moves.

use std::time::Duration;

use super::{At, tunnels};
use crate::targets::ECHO;

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    // What every server has once it works is not counted.
    drop(tunnels::open(at, 32, ECHO).await?);
    settle().await;
    let before = at.server.memory();
    let idle = tunnels::open(at, at.options.idle, ECHO).await?;
    settle().await;
    let grown = at.server.memory() - before;
    Ok(vec![grown / idle.len() as f64 / 1024.0])
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
