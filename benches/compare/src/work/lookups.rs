//! What a lookup costs and occupies while many are in flight, and what another client feels of them.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use rustix::process::{Resource, getrlimit};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{At, connections, memory::settle, percentile::percentiles};
use crate::between::Between;

/// Clients more than lookups are held, so that so many come and go.
const MOVING: usize = 8;

/// Who asks beside.
const BESIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

/// For each lookup.
const PATIENCE: Duration = Duration::from_secs(20);

/// As many as the descriptors of the server allow: a lookup takes one for its client, and one for its question.
pub(crate) fn in_flight(wanted: usize) -> usize {
    const SPARE: u64 = 1_500;
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let possible = descriptors.saturating_sub(SPARE) / 2;
    wanted.min(usize::try_from(possible).unwrap_or(usize::MAX).max(1))
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    done: AtomicU64,
    failures: AtomicU64,
    failure: Mutex<String>,
}

pub(super) async fn measure(at: At<'_>, count: usize) -> anyhow::Result<Vec<f64>> {
    let (count, names) = (in_flight(count), &at.targets.names);
    // Those of a server that has gone.
    names.hold(0);
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    // What the server has once it works is not counted.
    clients.spawn(client(at.server.between, Arc::clone(&seen)));
    sleep(Duration::from_millis(300)).await;
    clients.shutdown().await;
    settle().await;
    let before = at.server.memory();

    names.hold(count);
    let mut add = || drop(clients.spawn(client(at.server.between, Arc::clone(&seen))));
    fill(at, count, &seen, &mut add).await?;
    settle().await;
    // That of very few fits into what the allocator has left over.
    let memory = match count {
        ..10 => f64::NAN,
        _ => (at.server.memory() - before) / count as f64 / 1024.0,
    };

    add();
    let latencies = beside(at).await?;
    (1..MOVING).for_each(|_| add());
    let watched = at.watch(|| seen.done.load(Relaxed)).await;
    let held = names.held();
    clients.shutdown().await;

    let (done, failures) = (seen.done.load(Relaxed), seen.failures.load(Relaxed));
    if failures * 100 > done || watched.done < 1.0 {
        let failure = seen.failure.lock().unwrap();
        bail!("{failures} of {} lookups fail: {failure}", done + failures);
    }
    if held * 100 < count * 98 {
        bail!("{held} of {count} lookups are in flight");
    }
    let [half, most] = percentiles(latencies, [0.50, 0.99]);
    Ok(vec![watched.cpu / watched.done * 1e6, memory, half, most])
}

/// Adds clients until so many lookups wait.
async fn fill(at: At<'_>, count: usize, seen: &Seen, add: &mut impl FnMut()) -> anyhow::Result<()> {
    const AT_ONCE: usize = 64;
    let (mut added, started) = (0, Instant::now());
    loop {
        let held = at.targets.names.held();
        if held >= count {
            return Ok(());
        }
        while added < count.min(held + AT_ONCE) {
            add();
            added += 1;
        }
        // Sooner than the name server answers the first.
        if started.elapsed() > Duration::from_secs(10) {
            let failure = seen.failure.lock().unwrap();
            bail!("{held} of {count} lookups are in flight: {failure}");
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// One after the other, each about a name of its own, which there is not.
async fn client(between: Between, seen: Arc<Seen>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    const HOST_UNREACHABLE: u8 = 4;
    loop {
        let name = format!("host{}.example", NEXT.fetch_add(1, Relaxed));
        let asked = timeout(PATIENCE, between.ask_for_name(&name, 80)).await;
        let failure = match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(HOST_UNREACHABLE) => {
                seen.done.fetch_add(1, Relaxed);
                continue;
            }
            Ok(code) => format!("reply {code:02x}"),
            Err(error) => error.to_string(),
        };
        seen.failures.fetch_add(1, Relaxed);
        *seen.failure.lock().unwrap() = failure;
        sleep(Duration::from_millis(10)).await;
    }
}

/// Another client's connections by address, one after the other: how long each took to its echo.
async fn beside(at: At<'_>) -> anyhow::Result<Vec<Duration>> {
    let (started, mut latencies) = (Instant::now(), Vec::new());
    while started.elapsed().as_secs_f64() < at.options.seconds {
        let one = connections::one_as(at.server.between, BESIDE, at.targets.next(), Instant::now());
        latencies.push(timeout(PATIENCE, one).await??);
        sleep(Duration::from_millis(2)).await;
    }
    Ok(latencies)
}
