//! Small messages there and back in open tunnels, at times that were set before, whatever became of the
//! others.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::OwnedReadHalf,
    task::JoinSet,
    time::timeout,
};

use super::{
    At,
    load::{self, Arrivals, Load, Work},
    percentile::percentiles,
    ping_pong::MESSAGE,
    tunnels,
};
use crate::targets::ECHO;

/// The messages take turns in them.
pub(super) const TUNNELS: usize = 128;

/// When the messages that are not answered yet in a tunnel were due, in order.
type UnderWay = Arc<Mutex<VecDeque<Instant>>>;

pub(super) async fn measure(at: At<'_>, load: Load) -> anyhow::Result<Vec<f64>> {
    let rate = load::rate(at, Work::RoundTrip, load).await?;
    let from = Instant::now() + Duration::from_secs_f64(at.options.seconds / 5.0);
    let to = from + Duration::from_secs_f64(at.options.seconds);
    let (mut senders, mut readers) = (Vec::new(), JoinSet::new());
    for tunnel in tunnels::open(at, TUNNELS, ECHO).await? {
        let (reader, writer) = tunnel.into_split();
        let under_way = UnderWay::default();
        readers.spawn(listen(reader, Arc::clone(&under_way), from));
        senders.push((writer, under_way));
    }
    let mut arrivals = Arrivals::new(rate)?;
    let mut sent = 0;
    loop {
        let due = arrivals.next().await?;
        if due >= to {
            break;
        }
        let turn = sent % TUNNELS;
        let (writer, under_way) = &mut senders[turn];
        under_way.lock().unwrap().push_back(due);
        writer.write_all(&[b'!'; MESSAGE]).await?;
        sent += 1;
    }
    // Their readers see the end behind the last answer.
    drop(senders);
    let mut latencies = Vec::new();
    let answered = async {
        while let Some(heard) = readers.join_next().await {
            latencies.extend(heard??);
        }
        anyhow::Ok(())
    };
    let answered = timeout(Duration::from_secs(5), answered).await;
    answered.context("answers stay away")??;
    if latencies.is_empty() {
        bail!("nothing comes back");
    }
    let [half, most, nearly_all] = percentiles(latencies, [0.5, 0.99, 0.999]);
    Ok(vec![rate, half, most, nearly_all])
}

/// Notes how long each answer took whose message was due at or after `from`.
async fn listen(
    mut reader: OwnedReadHalf,
    under_way: UnderWay,
    from: Instant,
) -> io::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut room = vec![0; 64 * MESSAGE];
    let mut part = 0;
    loop {
        let read = reader.read(&mut room).await?;
        let now = Instant::now();
        if read == 0 {
            let missing = under_way.lock().unwrap().len();
            return match missing {
                0 => Ok(latencies),
                _ => Err(io::Error::other(format!("{missing} answers never came"))),
            };
        }
        part += read;
        while part >= MESSAGE {
            part -= MESSAGE;
            let due = under_way.lock().unwrap().pop_front();
            let due = due.ok_or_else(|| io::Error::other("more answers than messages"))?;
            if due >= from {
                latencies.push(now - due);
            }
        }
    }
}
