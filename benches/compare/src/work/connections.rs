//! New connections, from clients that open the next one when the last has closed.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use super::{At, Window, percentile::percentiles};
use crate::{between::Between, targets::ECHO};

pub(super) const CLIENTS: usize = 32;

const MESSAGE: [u8; 17] = [ECHO; 17];

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    /// Of each connection, from the first packet to the echo.
    latencies: Vec<Duration>,
    failures: usize,
    failure: String,
}

impl Seen {
    fn note(&mut self, visited: io::Result<Duration>) {
        match visited {
            Ok(latency) => self.latencies.push(latency),
            Err(error) => {
                self.failures += 1;
                self.failure = error.to_string();
            }
        }
    }
}

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let (window, latencies) = visit(at).await?;
    let [half, most] = percentiles(latencies, [0.50, 0.99]);
    Ok(vec![
        window.cpu / window.done * 1e6,
        window.done / window.seconds,
        half,
        most,
    ])
}

/// Lets the clients come and go for a while.
pub(super) async fn visit(at: At<'_>) -> anyhow::Result<(Window, Vec<Duration>)> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let targets = at.targets.all();
        // Each goes round, from a place of its own.
        let targets: Vec<_> = targets
            .iter()
            .cycle()
            .skip(client)
            .take(targets.len())
            .copied()
            .collect();
        let (seen, between) = (Arc::clone(&seen), at.server.between);
        clients.spawn(async move {
            for target in targets.iter().cycle() {
                let visited = timeout(
                    Duration::from_secs(5),
                    one(between, *target, Instant::now()),
                )
                .await;
                let visited = visited.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                let failed = visited.is_err();
                seen.lock().unwrap().note(visited);
                if failed {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }
    let window = at
        .watch(|| seen.lock().unwrap().latencies.len() as u64)
        .await;
    clients.shutdown().await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    if seen.failures * 100 > seen.latencies.len() || window.done < 1.0 {
        bail!(
            "{} of {} connections fail: {}",
            seen.failures,
            seen.failures + seen.latencies.len(),
            seen.failure
        );
    }
    Ok((window, seen.latencies))
}

/// One connection, closed in good order. Says how long after `since` the echo had come.
pub(super) async fn one(
    between: Between,
    target: SocketAddrV4,
    since: Instant,
) -> io::Result<Duration> {
    one_as(between, Ipv4Addr::UNSPECIFIED, target, since).await
}

/// The same of a client with this address.
pub(super) async fn one_as(
    between: Between,
    client: Ipv4Addr,
    target: SocketAddrV4,
    since: Instant,
) -> io::Result<Duration> {
    let mut stream = between.open_as(client, target).await?;
    stream.write_all(&MESSAGE).await?;
    let mut echo = [0; MESSAGE.len() - 1];
    stream.read_exact(&mut echo).await?;
    let latency = since.elapsed();
    stream.shutdown().await?;
    match stream.read(&mut echo).await? {
        0 => Ok(latency),
        _ => Err(io::Error::other("more than the echo came")),
    }
}
