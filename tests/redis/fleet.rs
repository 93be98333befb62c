//! A hundred nodes, and a Redis that hangs, crashes and loses everything: limits are exceeded by no more than what nodes
//! may take by themselves, and in the end all counts are right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::sleep;
use tower_socks::{
    layer::{
        key,
        limit::{ConcurrentTunnels, Limiter},
    },
    redis::RedisTunnels,
};

use crate::{admitted, server::Server, until};

const NODES: usize = 100;
const MOST: usize = 60;
const USERS: [&str; 3] = ["joe", "jane", "jim"];

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[derive(Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A user of one node, who opens tunnels and ends them.
async fn uses(
    limit: impl Limiter,
    user: &'static str,
    open: Arc<Open>,
    mut numbers: Numbers,
    is_over: Arc<AtomicBool>,
) {
    while !is_over.load(SeqCst) {
        if let Ok(permit) = admitted(&limit, user).await {
            let now = open.now.fetch_add(1, SeqCst) + 1;
            open.most.fetch_max(now, SeqCst);
            sleep(Duration::from_millis(numbers.below(300))).await;
            // Before others can have its place.
            open.now.fetch_sub(1, SeqCst);
            drop(permit);
        }
        sleep(Duration::from_millis(numbers.below(200))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_nodes_exceed_no_limit_by_more_than_one_each() {
    let mut server = Server::start();
    let nodes: Vec<_> = (0..NODES).map(|_| server.node()).collect();
    until("all know of all", async || {
        nodes.iter().all(|node| node.nodes() as usize == NODES)
    })
    .await;
    let limits: Vec<_> = nodes
        .iter()
        .map(|node| {
            ConcurrentTunnels::new(MOST, key::user).with_store(RedisTunnels::new(node, "test"))
        })
        .collect();
    let open = USERS.map(|_| Arc::new(Open::default()));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for (at, limit) in limits.iter().enumerate() {
        for (user, open) in USERS.into_iter().zip(&open) {
            let seed = Numbers((at * 31 + user.len()) as u64);
            let is_over = Arc::clone(&is_over);
            tasks.push(tokio::spawn(uses(
                limit.clone(),
                user,
                Arc::clone(open),
                seed,
                is_over,
            )));
        }
    }
    // With a store that answers, not one too many.
    sleep(Duration::from_secs(2)).await;
    for open in &open {
        assert!(open.most.load(SeqCst) <= MOST, "{}", open.most.load(SeqCst));
        assert!(
            open.most.load(SeqCst) > MOST / 2,
            "{}",
            open.most.load(SeqCst)
        );
    }
    // It lags, within what is waited for; hangs; and loses everything.
    for _ in 0..5 {
        server.hang();
        sleep(Duration::from_millis(100)).await;
        server.go_on();
        sleep(Duration::from_millis(100)).await;
    }
    server.hang();
    sleep(Duration::from_millis(1_500)).await;
    server.go_on();
    sleep(Duration::from_secs(1)).await;
    server.kill();
    sleep(Duration::from_secs(1)).await;
    server.restart();
    sleep(Duration::from_secs(2)).await;
    is_over.store(true, SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    for open in &open {
        let most = open.most.load(SeqCst);
        assert!(most <= MOST + NODES, "{most}");
    }
    // All have ended, and so all are free: exactly as many as the limit has.
    for user in USERS {
        let place = format!("tower-socks:tunnels:test:{{user:{user}}}");
        until("what has ended is not counted", async || {
            let all = server.cli(&["HVALS", &place]);
            all.lines().all(|line| line.starts_with("0 "))
        })
        .await;
        let asked = limits.iter().map(|limit| admitted(limit, user));
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), MOST);
    }
}
