//! Datagrams there and back: for each answer the next one is sent.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{task::JoinSet, time::timeout};

use super::At;
use crate::way::Datagrams;

pub(super) const ASSOCIATIONS: usize = 4;

/// Without the header in front of it.
pub(super) const PAYLOAD: usize = 512;

/// After that long without an answer, what is missing is lost.
const LOST: Duration = Duration::from_millis(200);

pub(super) async fn measure(at: At<'_>, window: usize) -> anyhow::Result<Vec<f64>> {
    let echoes = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..ASSOCIATIONS {
        let opening = at.server.way.associate(at.targets.udp);
        let client = timeout(Duration::from_secs(5), opening)
            .await
            .context("no answer to UDP ASSOCIATE")??;
        clients.spawn(exchange(client, window, Arc::clone(&echoes)));
    }
    let watched = at.watch(|| echoes.load(Ordering::Relaxed)).await;
    if let Some(ended) = clients.try_join_next() {
        bail!("an association ends early: {:?}", ended?);
    }
    if watched.done == 0.0 {
        bail!("nothing comes back");
    }
    Ok(vec![
        watched.cpu / watched.done * 1e6,
        watched.done / watched.seconds,
    ])
}

/// Keeps as many datagrams in flight.
async fn exchange(client: Datagrams, window: usize, echoes: Arc<AtomicU64>) -> io::Result<()> {
    let mut datagram = client.header.clone();
    datagram.resize(client.header.len() + PAYLOAD, b'!');
    let mut answer = vec![0; datagram.len() + 1];
    let mut missing = window;
    loop {
        for _ in 0..missing {
            client.socket.send(&datagram).await?;
        }
        missing = match timeout(LOST, client.socket.readable()).await {
            Ok(readable) => {
                readable?;
                let came = take(&client, &mut answer, datagram.len())?;
                echoes.fetch_add(came as u64, Ordering::Relaxed);
                came
            }
            Err(_) => window,
        };
    }
}

/// Takes what is there, and says how many came.
fn take(client: &Datagrams, answer: &mut [u8], length: usize) -> io::Result<usize> {
    let mut came = 0;
    loop {
        match client.socket.try_recv(answer) {
            Ok(read) if read == length => came += 1,
            Ok(read) => return Err(io::Error::other(format!("{read} bytes came"))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(came),
            Err(error) => return Err(error),
        }
    }
}
