//! Rechecks of many tunnels: some at a time, and all of them in the end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::yield_now,
    time::{Instant, sleep},
};
use tower::{Layer, ServiceExt};
use tower_socks::{
    AclLayer, Refusal, Request, Tunnel,
    io::PrefixedStream,
    layer::acl::{SwapPolicy, recheck::RecheckLayer},
    proto::{Address, Command},
    session::Policy,
};

use crate::support::targets::targets;

/// How many tunnels there are: more than can be woken in one step, and in all steps by the least.
const MANY: usize = 5_000;

/// Counts what it is asked, and allows all until it is told otherwise.
#[derive(Clone, Default)]
struct Counting {
    asked: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
}

impl Policy for Counting {
    fn check(&self, _: &Request) -> Result<(), Refusal> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.refuses.load(Ordering::SeqCst) {
            true => Err(Refusal::not_allowed("closed")),
            false => Ok(()),
        }
    }

    fn check_address(&self, _: &Request, _: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_name(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Open tunnels under a policy.
struct Tunnels {
    counting: Counting,
    policy: SwapPolicy<Counting>,
    /// Both ends of each.
    ends: Vec<(DuplexStream, DuplexStream)>,
}

impl Tunnels {
    async fn open(count: usize) -> Self {
        let counting = Counting::default();
        let policy = SwapPolicy::new(counting.clone());
        let (dialer, mut dialled) = targets();
        let service = AclLayer::new(policy.clone()).layer(dialer);
        let service = RecheckLayer::new(policy.clone()).layer(service);
        let mut ends = Vec::new();
        for _ in 0..count {
            let request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
            let tunnel = service.clone().oneshot(request).await.unwrap();
            let (client, server) = tokio::io::duplex(64);
            tokio::spawn(tunnel.run(PrefixedStream::new(server)));
            ends.push((client, dialled.recv().await.unwrap().1));
        }
        settle().await;
        counting.asked.store(0, Ordering::SeqCst);
        Self {
            counting,
            policy,
            ends,
        }
    }

    fn asked(&self) -> usize {
        self.counting.asked.load(Ordering::SeqCst)
    }

    /// All are closed.
    async fn are_closed(self) {
        for (mut client, mut target) in self.ends {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(target.read(&mut [0]).await.unwrap(), 0);
        }
    }
}

/// Everybody has a turn who can have one before time passes.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn idle_tunnels_are_asked_about_some_at_a_time_and_soon_all() {
    let tunnels = Tunnels::open(MANY).await;
    let began = Instant::now();
    tunnels.policy.recheck();
    settle().await;
    let first = tunnels.asked();
    assert!((1..=50).contains(&first), "{first}");
    let mut last = first;
    while last < MANY {
        assert!(began.elapsed() < Duration::from_millis(500), "{last}");
        sleep(Duration::from_millis(1)).await;
        settle().await;
        let now = tunnels.asked();
        assert!(now <= last + 100, "{last} {now}");
        last = now;
    }
    // Once each.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(tunnels.asked(), MANY);
}

#[tokio::test(start_paused = true)]
async fn all_that_are_refused_are_closed() {
    let tunnels = Tunnels::open(1_000).await;
    tunnels.counting.refuses.store(true, Ordering::SeqCst);
    let began = Instant::now();
    tunnels.policy.recheck();
    tunnels.are_closed().await;
    assert!(began.elapsed() < Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_moves_data_does_not_wait_for_its_turn() {
    let mut tunnels = Tunnels::open(MANY).await;
    let began = Instant::now();
    tunnels.policy.recheck();
    settle().await;
    tunnels.counting.refuses.store(true, Ordering::SeqCst);
    let (client, target) = tunnels.ends.last_mut().unwrap();
    client.write_all(b"x").await.unwrap();
    let mut heard = Vec::new();
    target.read_to_end(&mut heard).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    // Its turn comes when it is gone.
    tunnels.are_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_recheck_during_another_one_asks_about_all_again() {
    let tunnels = Tunnels::open(1_000).await;
    tunnels.policy.recheck();
    sleep(Duration::from_millis(20)).await;
    assert!((100..900).contains(&tunnels.asked()), "{}", tunnels.asked());
    let refusing = Counting::default();
    refusing.refuses.store(true, Ordering::SeqCst);
    tunnels.policy.swap(refusing);
    tunnels.policy.recheck();
    tunnels.are_closed().await;
}

#[tokio::test(start_paused = true)]
async fn tunnels_that_end_meanwhile_stop_nothing() {
    let mut tunnels = Tunnels::open(1_000).await;
    tunnels.policy.recheck();
    settle().await;
    let rest = tunnels.ends.split_off(900);
    tunnels.ends.clear();
    settle().await;
    tunnels.ends = rest;
    let refusing = Counting::default();
    refusing.refuses.store(true, Ordering::SeqCst);
    tunnels.policy.swap(refusing);
    tunnels.policy.recheck();
    tunnels.are_closed().await;
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_runtime_all_are_woken_at_once() {
    let tunnels = Tunnels::open(1_000).await;
    let policy = tunnels.policy.clone();
    std::thread::spawn(move || policy.recheck()).join().unwrap();
    settle().await;
    assert_eq!(tunnels.asked(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_ends_has_the_rest_woken() {
    let tunnels = Tunnels::open(1_000).await;
    let policy = tunnels.policy.clone();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { policy.recheck() });
    });
    other.join().unwrap();
    settle().await;
    assert_eq!(tunnels.asked(), 1_000);
    // And the next one goes as it should.
    tunnels.policy.recheck();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(tunnels.asked(), 2_000);
}
