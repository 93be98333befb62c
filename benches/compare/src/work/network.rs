//! Tunnels over a network that has a rate, a delay, and loss: what one moves, how long another waits beside
//! it, and how evenly many share.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{At, percentile::percentiles, tunnels};
use crate::targets::{ECHO, SINK, SOURCE, drain, pour};

pub(super) const MANY: usize = 100;

/// Until the windows of TCP are open: some thirty round trips of the longest.
const WARM: Duration = Duration::from_secs(3);

pub(super) const MESSAGE: usize = 64;

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let (down, waits) = down(at).await?;
    let up = up(at).await?;
    let fairness = fairness(at).await?;
    let [half, most] = percentiles(waits, [0.5, 0.99]).map(|micros| micros / 1e3);
    Ok(vec![down, up, half, most, fairness])
}

/// MB/s of one tunnel to the client, and how long another waits for an octet there and back.
async fn down(at: At<'_>) -> anyhow::Result<(f64, Vec<Duration>)> {
    let mut echo = tunnels::open(at, 1, ECHO).await?;
    let arrived = Arc::new(AtomicU64::new(0));
    let mut bulk = JoinSet::new();
    for stream in tunnels::open(at, 1, SOURCE).await? {
        let arrived = Arc::clone(&arrived);
        bulk.spawn(async move { drain(&stream, &arrived).await });
    }
    sleep(WARM).await;
    let (started, before) = (Instant::now(), arrived.load(Ordering::Relaxed));
    let until = started + Duration::from_secs_f64(at.options.seconds);
    let echo = echo.pop().context("no tunnel")?;
    let waits = timeout(Duration::from_secs(60), play(echo, until)).await??;
    let moved = arrived.load(Ordering::Relaxed) - before;
    if let Some(ended) = bulk.try_join_next() {
        bail!("a tunnel ends early: {:?}", ended?);
    }
    Ok((moved as f64 / 1e6 / started.elapsed().as_secs_f64(), waits))
}

/// A message there and back, again and again.
async fn play(mut stream: TcpStream, until: Instant) -> io::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    let mut message = [b'!'; MESSAGE];
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        waits.push(sent.elapsed());
        sleep(Duration::from_millis(2)).await;
    }
    Ok(waits)
}

/// MB/s of one tunnel to the target.
async fn up(at: At<'_>) -> anyhow::Result<f64> {
    let mut bulk = JoinSet::new();
    for mut stream in tunnels::open(at, 1, SINK).await? {
        bulk.spawn(async move { pour(&mut stream).await });
    }
    sleep(WARM).await;
    let sunk = || at.targets.sunk.load(Ordering::Relaxed);
    let (started, before) = (Instant::now(), sunk());
    sleep(Duration::from_secs_f64(at.options.seconds)).await;
    let moved = sunk() - before;
    if let Some(ended) = bulk.try_join_next() {
        bail!("a tunnel ends early: {:?}", ended?);
    }
    Ok(moved as f64 / 1e6 / started.elapsed().as_secs_f64())
}

/// Jain's index of what many tunnels to clients have moved: 1 where all are alike, 1 / many where one has
/// everything.
async fn fairness(at: At<'_>) -> anyhow::Result<f64> {
    let mut counts = Vec::new();
    let mut bulk = JoinSet::new();
    for stream in tunnels::open(at, MANY, SOURCE).await? {
        let arrived = Arc::new(AtomicU64::new(0));
        counts.push(Arc::clone(&arrived));
        bulk.spawn(async move { drain(&stream, &arrived).await });
    }
    sleep(WARM).await;
    let all = || counts.iter().map(|count| count.load(Ordering::Relaxed));
    let before: Vec<_> = all().collect();
    sleep(Duration::from_secs_f64(2.0 * at.options.seconds)).await;
    let moved: Vec<_> = all()
        .zip(before)
        .map(|(now, then)| (now - then) as f64)
        .collect();
    let sum: f64 = moved.iter().sum();
    let squares: f64 = moved.iter().map(|one| one * one).sum();
    Ok(sum * sum / (squares * moved.len() as f64))
}
