//! As many bytes as go through.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::bail;
use tokio::task::JoinSet;

use super::{At, Direction, tunnels};
use crate::targets::{SINK, SOURCE, drain, pour};

pub(super) async fn measure(
    at: At<'_>,
    count: usize,
    direction: Direction,
) -> anyhow::Result<Vec<f64>> {
    let mut clients = JoinSet::new();
    // Bytes count where they arrive.
    let arrived = match direction {
        Direction::Up => {
            for mut stream in tunnels::open(at, count, SINK).await? {
                clients.spawn(async move { pour(&mut stream).await });
            }
            Arc::clone(&at.targets.sunk)
        }
        Direction::Down => {
            let arrived = Arc::new(AtomicU64::new(0));
            for stream in tunnels::open(at, count, SOURCE).await? {
                let arrived = Arc::clone(&arrived);
                clients.spawn(async move { drain(&stream, &arrived).await });
            }
            arrived
        }
    };
    let window = at.watch(|| arrived.load(Ordering::Relaxed)).await;
    if let Some(ended) = clients.try_join_next() {
        bail!("a tunnel ends early: {:?}", ended?);
    }
    let gigabytes = window.done / 1e9;
    if gigabytes == 0.0 {
        bail!("nothing comes through");
    }
    Ok(vec![window.cpu / gigabytes, gigabytes / window.seconds])
}
