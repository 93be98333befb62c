//! Limits on bytes: bandwidth in virtual time, and quotas to the byte.

use std::{
    collections::HashMap,
    future::poll_fn,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::{Instant, advance, sleep},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Identity, Request, Traffic, Tunnel,
    error::reply_code,
    io::{Direction, Meter, PrefixedStream},
    layer::{
        key::{self, User},
        meter::{Bandwidth, ByteQuota, MakeMeter, MemoryStore, MeterLayer, QuotaStore},
    },
    proto::{Address, Command, ReplyCode},
    relay::{RelayError, RelayErrorKind},
    session::{Connected, Share},
};

use crate::support::Script;

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

type Running = JoinHandle<io::Result<Traffic>>;

/// A tunnel of `user` under a metering: its client, its target, and its end.
async fn tunnel(
    metering: &impl MakeMeter,
    user: &str,
) -> Result<(DuplexStream, DuplexStream, Running), BoxError> {
    let (near, target) = tokio::io::duplex(64 * 1024);
    let near = Mutex::new(Some(near));
    let near = Arc::new(near);
    let connector = service_fn(move |_: Request| {
        let near = near.lock().unwrap().take().unwrap();
        async { Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED)) }
    });
    let tunnel = MeterLayer::new(metering.clone()).layer(connector);
    let tunnel = tunnel.oneshot(request(user)).await?;
    let (client, server) = tokio::io::duplex(64 * 1024);
    let running = tokio::spawn(tunnel.run(PrefixedStream::new(server)));
    Ok((client, target, running))
}

/// Says as much as it can.
fn flood(mut stream: DuplexStream) {
    tokio::spawn(async move {
        let zeros = vec![0; 64 * 1024];
        while stream.write_all(&zeros).await.is_ok() {}
    });
}

/// Counts what it hears.
fn count(mut stream: DuplexStream, heard: Arc<AtomicU64>) {
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            heard.fetch_add(read as u64, Ordering::Relaxed);
        }
    });
}

async fn bytes_in_ten_seconds(tunnels: usize, direction: Direction, rate: u64) -> Vec<u64> {
    let bandwidth = Bandwidth::new(key::user);
    let bandwidth = match direction {
        Direction::Up => bandwidth.up(rate),
        Direction::Down => bandwidth.down(rate),
    };
    let mut counts = Vec::new();
    for _ in 0..tunnels {
        let (client, target, _running) = tunnel(&bandwidth, "joe").await.unwrap();
        let heard = Arc::new(AtomicU64::new(0));
        let (from, to) = match direction {
            Direction::Up => (client, target),
            Direction::Down => (target, client),
        };
        flood(from);
        count(to, Arc::clone(&heard));
        counts.push(heard);
    }
    sleep(Duration::from_secs(10)).await;
    counts
        .iter()
        .map(|heard| heard.load(Ordering::Relaxed))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn bandwidth_holds_within_five_percent_for_one_and_for_many() {
    for rate in [20_000, 1_000_000, 50_000_000] {
        for tunnels in [1, 64] {
            for direction in [Direction::Up, Direction::Down] {
                let heard = bytes_in_ten_seconds(tunnels, direction, rate).await;
                let all = heard.iter().sum::<u64>() as f64;
                let expected = (rate * 10) as f64;
                let off = all / expected - 1.0;
                assert!(
                    off.abs() < 0.05,
                    "{tunnels} x {rate} {direction:?}: {all}, {off}"
                );
                // Nobody is left out.
                if rate >= 1_000_000 {
                    let least = *heard.iter().min().unwrap() as f64;
                    assert!(
                        least > 0.2 * all / tunnels as f64,
                        "{tunnels} x {rate}: {heard:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_user_is_not_concerned_and_nor_is_the_other_way() {
    let bandwidth = Bandwidth::new(key::user).down(1000);
    let (_client, target, _running) = tunnel(&bandwidth, "joe").await.unwrap();
    flood(target);
    sleep(Duration::from_secs(1)).await;

    let started = Instant::now();
    let (mut client, mut target, _running) = tunnel(&bandwidth, "jane").await.unwrap();
    target.say(&[1; 100]).await;
    client.hear(&[1; 100]).await;
    client.say(&[2; 60_000]).await;
    target.hear(&[2; 60_000]).await;
    assert_eq!(started.elapsed(), Duration::ZERO);

    // Joe's second tunnel is in the same queue as his first.
    let (mut client, mut target, _running) = tunnel(&bandwidth, "joe").await.unwrap();
    target.say(&[1; 100]).await;
    client.hear(&[1; 100]).await;
    assert!(started.elapsed() > Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn each_tunnel_may_have_its_own() {
    let bandwidth = Bandwidth::new(key::global).down(100_000).each();
    let mut counts = Vec::new();
    for _ in 0..4 {
        let (client, target, _running) = tunnel(&bandwidth, "joe").await.unwrap();
        let heard = Arc::new(AtomicU64::new(0));
        flood(target);
        count(client, Arc::clone(&heard));
        counts.push(heard);
    }
    sleep(Duration::from_secs(10)).await;
    for heard in counts {
        let heard = heard.load(Ordering::Relaxed) as f64;
        assert!((heard / 1_000_000.0 - 1.0).abs() < 0.05, "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_without_tunnels_are_forgotten() {
    let bandwidth = Bandwidth::new(key::user).up(1000);
    for n in 0..10_000 {
        let meter = bandwidth
            .meter(&request(&n.to_string()))
            .now()
            .unwrap()
            .unwrap();
        assert!(meter.is_some());
    }
    assert_eq!(bandwidth.keys(), 0);
    let _held = bandwidth.meter(&request("joe")).now().unwrap().unwrap();
    assert_eq!(bandwidth.keys(), 1);
    // Nobody in particular, and no rate: no meter, and so no box and no cost.
    let nobody = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    assert!(bandwidth.meter(&nobody).now().unwrap().unwrap().is_none());
    assert!(
        Bandwidth::new(key::user)
            .meter(&request("joe"))
            .now()
            .unwrap()
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_quota_is_exact_and_what_is_not_used_comes_back() {
    for (direction, size) in [
        (Direction::Down, 100_000),
        (Direction::Up, 100_000),
        (Direction::Down, 10),
    ] {
        let quota = ByteQuota::new(size, Duration::from_secs(3600), key::user);
        let (client, target, running) = tunnel(&quota, "joe").await.unwrap();
        let (from, mut to) = match direction {
            Direction::Up => (client, target),
            Direction::Down => (target, client),
        };
        flood(from);
        let mut heard = Vec::new();
        // However it ends, what was allowed has come before.
        let _ = to.read_to_end(&mut heard).await;
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(reply_code(&error), ReplyCode::NOT_ALLOWED);
        let relayed: &RelayError = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(relayed.kind(), RelayErrorKind::Limit);
        // The silent way keeps a little from the loud one until the end.
        let least = size.saturating_sub(4096);
        assert!(
            (least..=size).contains(&(heard.len() as u64)),
            "{} of {size}",
            heard.len()
        );
        assert_eq!(quota.store().left(&"joe".into()), size - heard.len() as u64);
    }
}

#[tokio::test]
async fn who_has_nothing_left_is_refused_and_nobody_else() {
    let quota = ByteQuota::new(10, Duration::from_secs(3600), key::user);
    assert_eq!(quota.store().take(&"joe".into(), 100).now(), Some(10));
    let error = tunnel(&quota, "joe").await.err().unwrap();
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
    assert_eq!(error.to_string(), "\"joe\" has used its quota up");
    let quota = quota.reply_code(ReplyCode::GENERAL_FAILURE);
    let error = tunnel(&quota, "joe").await.err().unwrap();
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
    assert!(tunnel(&quota, "jane").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_period_begins_anew() {
    let store = MemoryStore::new(10, Duration::from_secs(60));
    assert_eq!(store.take(&"joe", 7).now(), Some(7));
    advance(Duration::from_secs(59)).await;
    assert_eq!(store.take(&"joe", 7).now(), Some(3));
    assert_eq!(store.left(&"joe"), 0);
    advance(Duration::from_secs(1)).await;
    assert_eq!(store.left(&"joe"), 10);
    // Periods begin when they always have, whoever looks when.
    advance(Duration::from_secs(90)).await;
    assert_eq!(store.take(&"joe", 10).now(), Some(10));
    advance(Duration::from_secs(29)).await;
    assert_eq!(store.take(&"joe", 10).now(), Some(0));
    advance(Duration::from_secs(1)).await;
    assert_eq!(store.take(&"joe", 10).now(), Some(10));
    // What was taken in the last one is nobody's now.
    advance(Duration::from_secs(60)).await;
    store.give_back(&"joe", 10);
    assert_eq!(store.left(&"joe"), 10);
}

/// Clients come from ever new addresses, and those that have used the most are still remembered.
#[test]
fn what_a_quota_remembers_is_bounded() {
    let store = MemoryStore::new(1000, Duration::from_secs(3600));
    assert_eq!(store.take(&u64::MAX, 1000).now(), Some(1000));
    for key in 0..200_000 {
        store.take(&key, 1 + key % 2);
        assert!(store.keys() <= 65_536);
    }
    assert!(store.keys() > 30_000);
    assert_eq!(store.take(&u64::MAX, 1).now(), Some(0));
    // Bytes that come back for a key that is forgotten are no more than it has.
    store.give_back(&0, 1000);
    assert_eq!(store.left(&0), 1000);

    let one = MemoryStore::new(10, Duration::from_secs(3600)).most_keys(0);
    for key in 0..10 {
        assert_eq!(one.take(&key, 4).now(), Some(4));
        assert_eq!(one.keys(), 1);
    }
}

/// Many tunnels at once take what there is, and not a byte more.
#[test]
fn a_quota_is_exact_under_concurrency() {
    const SIZE: u64 = 10_000_000;
    let quota = ByteQuota::new(SIZE, Duration::from_secs(3600), key::user);
    let moved = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (quota, moved) = (&quota, &moved);
            scope.spawn(move || {
                let direction = [Direction::Up, Direction::Down][thread % 2];
                let Some(Ok(Some(mut meter))) = quota.meter(&request("joe")).now() else {
                    return;
                };
                let mut step = 1 + thread;
                loop {
                    let allowance =
                        poll_fn(|cx| meter.poll_allowance(cx, direction)).now_or_never();
                    let Some(Ok(allowance)) = allowance else {
                        break;
                    };
                    let bytes = step.min(allowance);
                    step = step * 7 % 100_003;
                    meter.moved(direction, bytes);
                    moved.fetch_add(bytes as u64, Ordering::Relaxed);
                }
            });
        }
    });
    let moved = moved.load(Ordering::Relaxed);
    assert!(moved <= SIZE, "{moved}");
    assert!(moved >= SIZE - 8 * 300_000, "{moved}");
    assert_eq!(quota.store().left(&"joe".into()), SIZE - moved);
}

/// A store of somebody else's.
#[derive(Debug, Default)]
struct Ledger(Mutex<HashMap<User, u64>>);

impl QuotaStore<User> for Ledger {
    fn take(&self, key: &User, bytes: u64) -> Share {
        let mut ledger = self.0.lock().unwrap();
        let left = ledger.entry(key.clone()).or_insert(5);
        let taken = bytes.min(*left);
        *left -= taken;
        Share::Now(taken)
    }

    fn has_left(&self, key: &User) -> Share<bool> {
        Share::Now(self.0.lock().unwrap().get(key) != Some(&0))
    }

    fn give_back(&self, key: &User, bytes: u64) {
        *self.0.lock().unwrap().get_mut(key).unwrap() += bytes;
    }
}

#[tokio::test]
async fn counts_can_live_elsewhere() {
    let quota = ByteQuota::with_store(Ledger::default(), key::user);
    let (mut client, mut target, running) = tunnel(&quota, "joe").await.unwrap();
    target.say(b"hello and more").await;
    client.hear(b"hello").await;
    assert!(running.await.unwrap().is_err());
    assert_eq!(quota.store().take(&"jane".into(), 3).now(), Some(3));
}
