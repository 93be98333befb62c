//! Datagrams there and back: for each answer, or loss, the next one is sent.

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
use crate::{
    batch::{self, Received},
    between::Datagrams,
};

pub(super) const ASSOCIATIONS: usize = 4;

/// Without the header in front of it.
pub(super) const PAYLOAD: usize = 512;

/// After that long without an answer, what is missing is lost.
const LOST: Duration = Duration::from_millis(200);

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    echoes: AtomicU64,
    /// Datagrams that later ones overtook: on loopback, they are gone.
    lost: AtomicU64,
}

pub(super) async fn measure(at: At<'_>, window: usize) -> anyhow::Result<Vec<f64>> {
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for _ in 0..ASSOCIATIONS {
        let opening = at.server.between.associate(at.targets.udp);
        let client = timeout(Duration::from_secs(5), opening)
            .await
            .context("no answer to UDP ASSOCIATE")??;
        clients.spawn(exchange(client, window as u64, Arc::clone(&seen)));
    }
    let watched = at.watch(|| seen.echoes.load(Ordering::Relaxed)).await;
    if let Some(ended) = clients.try_join_next() {
        bail!("an association ends early: {:?}", ended?);
    }
    if watched.done == 0.0 {
        bail!("nothing comes back");
    }
    let echoes = seen.echoes.load(Ordering::Relaxed) as f64;
    let lost = seen.lost.load(Ordering::Relaxed) as f64;
    Ok(vec![
        watched.cpu / watched.done * 1e6,
        watched.done / watched.seconds,
        lost / (echoes + lost) * 100.0,
    ])
}

/// Keeps as many datagrams in flight. They are numbered.
async fn exchange(client: Datagrams, window: u64, seen: Arc<Seen>) -> io::Result<()> {
    let number_at = client.header.len();
    let mut datagram = client.header.clone();
    datagram.resize(number_at + PAYLOAD, b'!');
    let len = datagram.len();
    let mut datagrams = vec![datagram; window as usize];
    let mut received = Received::new();
    let (mut sent, mut answered) = (0_u64, 0_u64);
    loop {
        let wanted = (answered + window - sent) as usize;
        for datagram in &mut datagrams[..wanted] {
            datagram[number_at..number_at + 8].copy_from_slice(&sent.to_be_bytes());
            sent += 1;
        }
        let all = datagrams[..wanted].iter();
        batch::send(&client.socket, all.map(|one| (&one[..], None))).await?;
        match timeout(LOST, received.more(&client.socket)).await {
            Ok(received) => received?,
            Err(_) => {
                seen.lost.fetch_add(sent - answered, Ordering::Relaxed);
                answered = sent;
                continue;
            }
        }
        for (answer, _) in received.iter() {
            if answer.len() != len {
                return Err(io::Error::other(format!("{} bytes came", answer.len())));
            }
            let number = answer[number_at..number_at + 8].try_into().unwrap();
            let number = u64::from_be_bytes(number);
            seen.echoes.fetch_add(1, Ordering::Relaxed);
            // One that had been given up for lost is not counted twice as such.
            seen.lost
                .fetch_add(number.saturating_sub(answered), Ordering::Relaxed);
            answered = answered.max(number + 1);
        }
    }
}
