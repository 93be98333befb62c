//! Twenty nodes that use up quotas, and a Redis that lags, hangs, crashes and loses everything: quotas are exceeded by no
//! more than a lease a node, and in the end each byte was counted once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::sleep;
use tower_socks::{
    layer::{
        key::User,
        meter::{Periods, QuotaStore, Quotas},
    },
    redis::RedisQuotas,
    session::Share,
};

use crate::{server::Server, until};

const NODES: usize = 20;
const MOST: u64 = 24 * 1024 * 1024;
/// What a node leases at the speed of this test.
const LEASE: u64 = 256 * 1024;

type Store = RedisQuotas<User>;

async fn take(store: &Store, bytes: u64) -> u64 {
    match store.take(&User::named("joe"), bytes) {
        Share::Now(taken) => taken,
        Share::Later(later) => later.await.unwrap(),
    }
}

/// A tunnel, which moves about half a megabyte a second, and gives back some of what it takes.
async fn uses(store: Store, moved: Arc<AtomicU64>, is_over: Arc<AtomicBool>, seed: u64) {
    let mut number = seed;
    while !is_over.load(SeqCst) {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let bytes = (number >> 33) % 8192 + 1;
        let taken = take(&store, bytes).await;
        let unused = taken / 4;
        store.give_back(&User::named("joe"), unused);
        moved.fetch_add(taken - unused, SeqCst);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_nodes_exceed_no_quota_by_more_than_a_lease_each_and_count_each_byte_once() {
    let mut server = Server::start();
    let nodes: Vec<_> = (0..NODES).map(|_| server.node()).collect();
    until("all know of all", async || {
        nodes.iter().all(|node| node.nodes() as usize == NODES)
    })
    .await;
    let quotas = Quotas::new().day(MOST);
    let stores: Vec<Store> = nodes
        .iter()
        .map(|node| RedisQuotas::new(node, "test", quotas, Periods::new()))
        .collect();
    let (moved, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let tasks: Vec<_> = stores
        .iter()
        .zip(1..)
        .map(|(store, seed)| {
            let (moved, is_over) = (Arc::clone(&moved), Arc::clone(&is_over));
            tokio::spawn(uses(store.clone(), moved, is_over, seed))
        })
        .collect();
    sleep(Duration::from_millis(500)).await;
    // It lags, within what is waited for; hangs; and loses everything.
    for _ in 0..3 {
        server.hang();
        sleep(Duration::from_millis(100)).await;
        server.go_on();
        sleep(Duration::from_millis(100)).await;
    }
    server.hang();
    sleep(Duration::from_millis(1_200)).await;
    server.go_on();
    sleep(Duration::from_millis(500)).await;
    server.kill();
    sleep(Duration::from_millis(800)).await;
    server.restart();
    until("nothing is left", async || {
        let before = moved.load(SeqCst);
        sleep(Duration::from_millis(500)).await;
        before >= MOST && moved.load(SeqCst) == before
    })
    .await;
    is_over.store(true, SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    let moved = moved.load(SeqCst);
    let beyond = moved - MOST;
    assert!(beyond <= NODES as u64 * LEASE, "{beyond}");
    until("each byte is written down once", async || {
        let all = server.cli(&["HVALS", "tower-socks:quota:test:{user:joe}"]);
        let fields = |line: &str| -> [u64; 2] {
            let field = |at| line.split(' ').nth(at).unwrap().parse().unwrap();
            [field(3), field(5)]
        };
        let written = all.lines().filter(|line| !line.is_empty()).map(fields);
        let sums = written.fold([0, 0], |[used, held], [more, ahead]| {
            [used + more, held + ahead]
        });
        sums == [moved, 0]
    })
    .await;
}
