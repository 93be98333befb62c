//! New connections at times that were set before, whatever became of the others.

use std::{
    io,
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{task::JoinSet, time::timeout};

use super::{
    At, connections,
    load::{self, Arrivals, Load, Work},
    percentile::percentiles,
};

/// So many are open at most. Who is due beyond waits, and that counts.
const UNDER_WAY: usize = 4_000;

pub(super) async fn measure(at: At<'_>, load: Load) -> anyhow::Result<Vec<f64>> {
    let rate = load::rate(at, Work::Connection, load).await?;
    let mut arrivals = Arrivals::new(rate)?;
    let mut clients = JoinSet::new();
    let (mut latencies, mut failures, mut failure) = (Vec::new(), 0_usize, String::new());
    // After a moment to warm up.
    let from = Instant::now() + Duration::from_secs_f64(at.options.seconds / 5.0);
    let to = from + Duration::from_secs_f64(at.options.seconds);
    let mut note = |done: (Instant, io::Result<Duration>)| match done {
        (due, _) if due < from => {}
        (_, Ok(latency)) => latencies.push(latency),
        (_, Err(error)) => {
            failures += 1;
            failure = error.to_string();
        }
    };
    loop {
        let due = arrivals.next().await?;
        if due >= to {
            break;
        }
        let (between, target) = (at.server.between, at.targets.next());
        clients.spawn(async move {
            let visit = connections::one(between, target, due);
            let visited = timeout(Duration::from_secs(5), visit).await;
            let late = io::Error::from(io::ErrorKind::TimedOut);
            (due, visited.unwrap_or(Err(late)))
        });
        while let Some(done) = clients.try_join_next() {
            note(done?);
        }
        if clients.len() >= UNDER_WAY
            && let Some(done) = clients.join_next().await
        {
            note(done?);
        }
    }
    while let Some(done) = clients.join_next().await {
        note(done?);
    }
    if failures * 100 > latencies.len() || latencies.is_empty() {
        bail!(
            "{failures} of {} connections fail: {failure}",
            failures + latencies.len()
        );
    }
    let [half, most, nearly_all] = percentiles(latencies, [0.5, 0.99, 0.999]);
    Ok(vec![rate, half, most, nearly_all])
}
