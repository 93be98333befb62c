//! Open tunnels of a key, over all nodes.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_socks::{
    layer::{
        key,
        limit::{ConcurrentTunnels, Limiter},
    },
    proto::ReplyCode,
    redis::{Redis, RedisTunnels, WhileAway},
};

use crate::{admitted, server::Server, until};

fn limit(redis: &Redis, most: usize, away: WhileAway) -> impl Limiter<Permit: std::fmt::Debug> {
    let store = RedisTunnels::new(redis, "test").while_away(away);
    ConcurrentTunnels::new(most, key::user).with_store(store)
}

fn local(redis: &Redis, most: usize) -> impl Limiter<Permit: std::fmt::Debug> {
    limit(redis, most, WhileAway::Local)
}

/// What is written down of joe's tunnels: a number for each node that has any.
fn written(server: &Server) -> Vec<u32> {
    let all = server.cli(&["HVALS", "tower-socks:tunnels:test:{user:joe}"]);
    let counts = all.lines().filter_map(|line| line.split(' ').next());
    let counts = counts.filter_map(|count| count.parse().ok());
    counts.filter(|count| *count > 0).collect()
}

#[tokio::test]
async fn a_limit_holds_over_all_nodes() {
    let server = Server::start();
    let nodes = [(); 3].map(|()| server.node());
    let limits = nodes.each_ref().map(|node| local(node, 4));
    let mut open = Vec::new();
    for at in [0, 1, 2, 0] {
        open.push(admitted(&limits[at], "joe").await.unwrap());
    }
    for limit in &limits {
        let refusal = admitted(limit, "joe").await.unwrap_err();
        assert_eq!(refusal.to_string(), "\"joe\" has 4 tunnels already");
        assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED);
    }
    let _jane = admitted(&limits[1], "jane").await.unwrap();
    open.remove(1);
    until(
        "a tunnel that has ended is free for another node",
        async || written(&server).iter().sum::<u32>() == 3,
    )
    .await;
    let _another = admitted(&limits[2], "joe").await.unwrap();
    assert!(admitted(&limits[1], "joe").await.is_err());
}

#[tokio::test]
async fn many_at_once_are_exact() {
    let server = Server::start();
    let nodes = [(); 3].map(|()| server.node());
    let limits = nodes.each_ref().map(|node| local(node, 10));
    for _ in 0..20 {
        let asked = (0..60).map(|at| admitted(&limits[at % 3], "joe"));
        let answers = futures_util::future::join_all(asked).await;
        let open: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
        // Those who have just ended may not be written down yet.
        assert!(open.len() <= 10, "{}", open.len());
        drop(open);
        until("all have ended", async || written(&server).is_empty()).await;
    }
    let asked = (0..60).map(|at| admitted(&limits[at % 3], "joe"));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
}

#[tokio::test]
async fn tunnels_are_kept_as_long_as_they_are_open() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    let _open = admitted(&local(&one, 1), "joe").await.unwrap();
    for _ in 0..5 {
        sleep(Duration::from_millis(500)).await;
        assert!(admitted(&local(&other, 1), "joe").await.is_err());
    }
}

#[test]
fn what_a_crashed_node_held_is_free_after_its_lease() {
    let server = Server::start();
    let crashed = tokio::runtime::Runtime::new().unwrap();
    crashed.block_on(async {
        let limit = local(&server.node(), 1);
        // A crash drops nothing.
        std::mem::forget(admitted(&limit, "joe").await.unwrap());
    });
    crashed.shutdown_background();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let limit = local(&server.node(), 1);
        let started = Instant::now();
        assert!(admitted(&limit, "joe").await.is_err());
        until("the lease is over", async || {
            admitted(&limit, "joe").await.is_ok()
        })
        .await;
        let time = started.elapsed();
        assert!(time < Duration::from_secs(3), "{time:?}");
    });
}

#[tokio::test]
async fn a_node_that_leaves_gives_up_at_once() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    let held = admitted(&local(&one, 1), "joe").await.unwrap();
    assert!(admitted(&local(&other, 1), "joe").await.is_err());
    one.leave().await;
    assert!(admitted(&local(&other, 1), "joe").await.is_ok());
    drop(held);
}

#[tokio::test]
async fn while_redis_hangs_each_limit_does_what_it_was_told() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    let limits = [WhileAway::Local, WhileAway::Open, WhileAway::Closed]
        .map(|away| (away, limit(&one, 3, away)));
    let _elsewhere = admitted(&local(&other, 3), "joe").await.unwrap();
    let _here = admitted(&limits[0].1, "joe").await.unwrap();
    server.hang();
    let started = Instant::now();
    let mut open = Vec::new();
    for (away, limit) in &limits {
        for _ in 0..5 {
            match admitted(limit, "joe").await {
                Ok(permit) => open.push((*away, permit)),
                Err(refusal) if *away == WhileAway::Closed => {
                    assert_eq!(refusal.code(), ReplyCode::GENERAL_FAILURE);
                }
                Err(refusal) => assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED),
            }
        }
    }
    // Three of them paid for it; no more.
    let time = started.elapsed();
    assert!(time < Duration::from_millis(1_500), "{time:?}");
    assert!(!one.is_up());
    let had = |wanted| open.iter().filter(|(away, _)| *away == wanted).count();
    // One more here, since another node was known to have one. Each stands for itself otherwise: three in one process.
    assert_eq!(
        (
            had(WhileAway::Local),
            had(WhileAway::Open),
            had(WhileAway::Closed)
        ),
        (1, 3, 0)
    );
    drop(open);
    server.go_on();
    until("it is back", async || one.is_up()).await;
    until("all is written down", async || {
        let mut counts = written(&server);
        counts.sort_unstable();
        counts == [1, 1]
    })
    .await;
    let _third = admitted(&limits[0].1, "joe").await.unwrap();
    assert!(admitted(&limits[0].1, "joe").await.is_err());
}

#[tokio::test]
async fn a_redis_that_has_lost_everything_is_told_again() {
    let mut server = Server::start();
    let (one, other) = (server.node(), server.node());
    let limits = [&one, &other].map(|node| local(node, 3));
    let _open = [
        admitted(&limits[0], "joe").await.unwrap(),
        admitted(&limits[1], "joe").await.unwrap(),
    ];
    server.kill();
    // Its part of the limit, by what it knows of the other: not more than it could have had.
    let meanwhile = admitted(&limits[0], "joe").await.unwrap();
    server.restart();
    until("both have written down what they hold", async || {
        written(&server).iter().sum::<u32>() == 3
    })
    .await;
    for limit in &limits {
        assert!(admitted(limit, "joe").await.is_err());
    }
    drop(meanwhile);
    until("there is room again", async || {
        admitted(&limits[1], "joe").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_away() {
    let server = Server::start();
    let node = server.node();
    let limit = limit(&node, 3, WhileAway::Closed);
    let _open = admitted(&limit, "joe").await.unwrap();
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    for _ in 0..5 {
        let refusal = admitted(&limit, "joe").await.unwrap_err();
        assert_eq!(refusal.code(), ReplyCode::GENERAL_FAILURE);
    }
    assert!(!node.is_up());
    // It answers a probe, but not as one has to that is back.
    sleep(Duration::from_millis(1_200)).await;
    assert!(!node.is_up());
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    until("it is back", async || node.is_up()).await;
    assert!(admitted(&limit, "joe").await.is_ok());
}

#[tokio::test]
async fn requests_that_go_while_they_ask_leave_nothing_behind() {
    let server = Server::start();
    let node = server.node();
    let limit = local(&node, 2);
    for _ in 0..50 {
        tokio::select! {
            biased;
            answer = admitted(&limit, "joe") => drop(answer),
            () = tokio::task::yield_now() => {}
        }
    }
    until("nothing is written down", async || {
        written(&server).is_empty()
    })
    .await;
    let _both = [
        admitted(&limit, "joe").await.unwrap(),
        admitted(&limit, "joe").await.unwrap(),
    ];
}

#[tokio::test]
async fn nodes_are_counted() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    until("each knows of both", async || {
        one.nodes() == 2 && other.nodes() == 2
    })
    .await;
    other.leave().await;
    drop(other);
    until("one is left", async || one.nodes() == 1).await;
}
