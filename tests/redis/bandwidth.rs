//! Bytes a second of a key, over all nodes.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};
use tower_socks::{
    Request,
    io::{Direction, Meter},
    layer::{
        key::{self, User},
        meter::{Admission, MakeMeter, Rates},
    },
    proto::ReplyCode,
    redis::{Redis, RedisBandwidth, WhileAway},
};

use crate::{request, server::Server, until};

const MB: u64 = 1_000_000;

type Keys = fn(&Request) -> Option<User>;
type Limit = RedisBandwidth<Keys>;

fn limit(redis: &Redis, rates: Rates) -> Limit {
    RedisBandwidth::new(redis, "test", rates, key::user)
}

fn meter(limit: &Limit, user: &str) -> <Limit as MakeMeter>::Meter {
    match limit.meter(&request(user)) {
        Admission::Permit(meter) => meter.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Waits until bytes may move, and moves up to so many.
async fn moves(meter: &mut impl Meter, direction: Direction, most: u64) -> u64 {
    let most = usize::try_from(most).unwrap();
    poll_fn(|cx| {
        let allowed = std::task::ready!(meter.poll_allowance(cx, direction)).unwrap();
        let bytes = allowed.min(most);
        meter.moved(direction, bytes);
        Poll::Ready(bytes as u64)
    })
    .await
}

/// Moves bytes as fast as it may.
fn moving(
    limit: &Limit,
    user: &str,
    moved: &Arc<AtomicU64>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (mut meter, moved, stop) = (meter(limit, user), Arc::clone(moved), Arc::clone(stop));
    tokio::spawn(async move {
        while !stop.load(SeqCst) {
            let bytes = moves(&mut meter, Direction::Down, 64 * 1024).await;
            moved.fetch_add(bytes, SeqCst);
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test]
async fn nodes_together_have_the_rate() {
    let server = Server::start();
    let nodes = [(); 3].map(|()| server.node());
    let limits = nodes
        .each_ref()
        .map(|node| limit(node, Rates::new().down(4 * MB)));
    let (moved, stop) = (Arc::default(), Arc::default());
    let started = Instant::now();
    let each: Vec<_> = limits
        .iter()
        .flat_map(|limit| [limit, limit])
        .map(|limit| moving(limit, "joe", &moved, &stop))
        .collect();
    sleep(Duration::from_millis(1_500)).await;
    let (bytes, time) = (moved.load(SeqCst) as f64, started.elapsed().as_secs_f64());
    stop.store(true, SeqCst);
    let rate = 4.0 * MB as f64;
    // A burst and three leases, each what moves in a tenth of a second; and a read of each tunnel that exceeds them.
    let most = rate * (time + 0.4) + 6.0 * 65_536.0;
    assert!(bytes <= most, "{bytes} in {time} s");
    assert!(bytes >= rate * time * 0.8, "{bytes} in {time} s");
    for each in each {
        each.abort();
    }
}

#[tokio::test]
async fn one_who_has_nothing_to_move_leaves_the_rate_to_others_and_each_direction_and_key_has_its_own()
 {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    let rates = Rates::new().up(MB).down(MB);
    let (one, other) = (limit(&one, rates), limit(&other, rates));
    let _idle = [meter(&other, "joe"), meter(&other, "joe")];
    let mut busy = meter(&one, "joe");
    let started = Instant::now();
    let mut bytes = 0;
    while started.elapsed() < Duration::from_secs(1) {
        bytes += moves(&mut busy, Direction::Down, 16 * 1024).await;
    }
    assert!((800_000..1_400_000).contains(&bytes), "{bytes}");
    let started = Instant::now();
    let up = moves(&mut busy, Direction::Up, 10_000).await;
    let jane = moves(&mut meter(&other, "jane"), Direction::Down, 10_000).await;
    assert_eq!((up, jane), (10_000, 10_000));
    let time = started.elapsed();
    assert!(time < Duration::from_millis(100), "{time:?}");
}

#[tokio::test]
async fn a_rate_below_a_packet_moves_packets_at_that_rate() {
    let server = Server::start();
    let limit = limit(&server.node(), Rates::new().down(5_000));
    let mut meter = meter(&limit, "joe");
    let started = Instant::now();
    let mut bytes = 0;
    while bytes < 6_000 {
        bytes += moves(&mut meter, Direction::Down, 1460).await;
    }
    let time = started.elapsed();
    assert!(time > Duration::from_millis(500), "{time:?}");
    assert!(time < Duration::from_millis(2_500), "{time:?}");
}

#[tokio::test]
async fn what_moved_without_a_lease_is_paid() {
    let server = Server::start();
    let limit = limit(&server.node(), Rates::new().down(MB));
    let mut datagrams = meter(&limit, "joe");
    moves(&mut datagrams, Direction::Down, 1).await;
    datagrams.moved(Direction::Down, 500_000);
    let started = Instant::now();
    moves(&mut datagrams, Direction::Down, 1).await;
    let time = started.elapsed();
    assert!(time > Duration::from_millis(250), "{time:?}");
    assert!(time < Duration::from_millis(1_500), "{time:?}");
}

#[tokio::test]
async fn a_new_rate_is_that_of_open_tunnels() {
    let server = Server::start();
    let limit = limit(&server.node(), Rates::new().down(1000));
    let mut tunnel = meter(&limit, "joe");
    tunnel.moved(Direction::Down, 1_000_000);
    let waits = tokio::time::timeout(
        Duration::from_millis(100),
        moves(&mut tunnel, Direction::Down, 1),
    );
    assert!(waits.await.is_err());
    limit.set_rates(|_| None);
    assert_eq!(moves(&mut tunnel, Direction::Down, 1000).await, 1000);
}

#[tokio::test]
async fn while_redis_is_away_each_node_has_its_part_and_no_tunnel_ends() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    until("each knows of both", async || {
        one.nodes() == 2 && other.nodes() == 2
    })
    .await;
    let shared = limit(&one, Rates::new().down(2 * MB));
    let closed = limit(&one, Rates::new().down(2 * MB)).while_away(WhileAway::Closed);
    let (moved, stop) = (Arc::default(), Arc::default());
    let tunnel = moving(&shared, "joe", &moved, &stop);
    let mut held_back = meter(&closed, "jane");
    moves(&mut held_back, Direction::Down, 100_000).await;
    server.hang();
    until("it is away", async || !one.is_up()).await;
    sleep(Duration::from_millis(300)).await;
    let (before, started) = (moved.load(SeqCst), Instant::now());
    sleep(Duration::from_secs(1)).await;
    let bytes = (moved.load(SeqCst) - before) as f64;
    let rate = bytes / started.elapsed().as_secs_f64() / MB as f64;
    assert!((0.7..1.3).contains(&rate), "{rate} MB/s");
    let refusal = closed.meter(&request("jane")).now().unwrap().unwrap_err();
    assert_eq!(refusal.code(), ReplyCode::GENERAL_FAILURE);
    held_back.moved(Direction::Down, 200_000);
    let waits = tokio::time::timeout(
        Duration::from_millis(300),
        moves(&mut held_back, Direction::Down, 1),
    );
    assert!(waits.await.is_err());
    server.go_on();
    until("it is back", async || one.is_up()).await;
    assert_eq!(moves(&mut held_back, Direction::Down, 1).await, 1);
    let before = moved.load(SeqCst);
    sleep(Duration::from_secs(1)).await;
    let after = moved.load(SeqCst) - before;
    assert!(after > 1_500_000, "{after}");
    stop.store(true, SeqCst);
    tunnel.abort();
}

#[tokio::test]
async fn what_is_written_down_expires() {
    let server = Server::start();
    let limit = limit(&server.node(), Rates::new().down(MB));
    moves(&mut meter(&limit, "joe"), Direction::Down, 10_000).await;
    until("it is paid and forgotten", async || {
        server.cli(&["EXISTS", "tower-socks:down:test:{user:joe}"]) == "0"
    })
    .await;
}
