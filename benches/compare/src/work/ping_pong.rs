//! Small messages there and back, one at a time in each tunnel.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::bail;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{At, Window, tunnels};
use crate::targets::ECHO;

pub(super) const TUNNELS: usize = 32;
pub(super) const MESSAGE: usize = 64;

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let window = watch(at).await?;
    Ok(vec![
        window.cpu / window.done * 1e6,
        window.done / window.seconds,
    ])
}

/// Round trips in a second.
pub(super) async fn rate(at: At<'_>) -> anyhow::Result<f64> {
    let window = watch(at).await?;
    Ok(window.done / window.seconds)
}

async fn watch(at: At<'_>) -> anyhow::Result<Window> {
    let round_trips = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for stream in tunnels::open(at, TUNNELS, ECHO).await? {
        clients.spawn(play(stream, Arc::clone(&round_trips)));
    }
    let window = at.watch(|| round_trips.load(Ordering::Relaxed)).await;
    if let Some(ended) = clients.try_join_next() {
        bail!("a tunnel ends early: {:?}", ended?);
    }
    if window.done == 0.0 {
        bail!("nothing comes back");
    }
    Ok(window)
}

async fn play(mut stream: TcpStream, round_trips: Arc<AtomicU64>) -> io::Result<()> {
    let mut message = [b'!'; MESSAGE];
    loop {
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        round_trips.fetch_add(1, Ordering::Relaxed);
    }
}
