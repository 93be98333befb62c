//! What a tunnel occupies in which nothing moves.

use std::time::Duration;

use super::{At, tunnels};
use crate::targets::ECHO;

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let before = warm(at).await?;
    let idle = tunnels::open(at, at.options.idle, ECHO).await?;
    settle().await;
    let grown = at.server.memory() - before;
    Ok(vec![grown / idle.len() as f64 / 1024.0])
}

/// What every server has once it works, which is not counted: bytes.
pub(super) async fn warm(at: At<'_>) -> anyhow::Result<f64> {
    drop(tunnels::open(at, 32, ECHO).await?);
    settle().await;
    Ok(at.server.memory())
}

pub(super) async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
