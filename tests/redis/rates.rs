//! Requests of a key in a time, over all nodes.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_socks::{
    layer::{
        key,
        limit::{ConcurrentTunnels, Limiter, Pace, RequestRate},
    },
    proto::ReplyCode,
    redis::{Redis, RedisRates, RedisTunnels, WhileAway},
};

use crate::{admitted, server::Server, until};

fn rate(redis: &Redis, pace: Pace, away: WhileAway) -> impl Limiter<Permit = ()> {
    let store = RedisRates::new(redis, "test").while_away(away);
    RequestRate::by_request(pace, key::user).with_store(store)
}

#[tokio::test]
async fn a_pace_holds_over_all_nodes() {
    let server = Server::start();
    let nodes = [(); 3].map(|()| server.node());
    let pace = Pace::per_minute(6);
    let limits = nodes
        .each_ref()
        .map(|node| rate(node, pace, WhileAway::Local));
    let asked = (0..30).map(|at| admitted(&limits[at % 3], "joe"));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 6);
    let refusal = answers.into_iter().find_map(Result::err).unwrap();
    assert_eq!(refusal.to_string(), "\"joe\" asks too often");
    assert!(admitted(&limits[0], "jane").await.is_ok());
    // It expires by itself.
    let left = server.cli(&["PTTL", "tower-socks:rate:test:{user:joe}"]);
    let left: u64 = left.parse().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_key_is_paid_evenly() {
    let server = Server::start();
    let pace = Pace::per_second(10).burst(2);
    let limit = rate(&server.node(), pace, WhileAway::Local);
    let started = Instant::now();
    let mut admissions = 0;
    while started.elapsed() < Duration::from_secs(1) {
        admissions += u32::from(admitted(&limit, "joe").await.is_ok());
        sleep(Duration::from_millis(5)).await;
    }
    assert!((8..=12).contains(&admissions), "{admissions}");
}

#[tokio::test]
async fn while_redis_is_away_each_node_has_its_part() {
    let mut server = Server::start();
    let (one, other) = (server.node(), server.node());
    until("each knows of both", async || {
        one.nodes() == 2 && other.nodes() == 2
    })
    .await;
    let pace = Pace::per_minute(10);
    let [local, open, closed] =
        [WhileAway::Local, WhileAway::Open, WhileAway::Closed].map(|away| rate(&one, pace, away));
    // What was asked for before counts.
    for _ in 0..2 {
        admitted(&local, "joe").await.unwrap();
    }
    server.kill();
    let mut had = Vec::new();
    for _ in 0..3 {
        let _ = admitted(&open, "nobody").await;
    }
    for limit in [&local, &open] {
        let mut admissions = 0;
        for _ in 0..30 {
            admissions += usize::from(admitted(limit, "joe").await.is_ok());
        }
        had.push(admissions);
    }
    assert_eq!(had, [3, 30]);
    let refusal = admitted(&closed, "joe").await.unwrap_err();
    assert_eq!(refusal.code(), ReplyCode::GENERAL_FAILURE);
    server.restart();
    until("it is back", async || one.is_up()).await;
    assert!(admitted(&closed, "joe").await.is_ok());
}

#[tokio::test]
async fn two_limits_of_a_request_are_one_round_trip() {
    let server = Server::start();
    let node = server.node();
    let both = (
        rate(&node, Pace::per_second(1_000), WhileAway::Local),
        ConcurrentTunnels::new(10, key::user).with_store(RedisTunnels::new(&node, "test")),
    );
    // The scripts are known there, and the connection is made.
    let _first = admitted(&both, "joe").await.unwrap();
    let reads = || {
        let stats = server.cli(&["INFO", "stats"]);
        let line = stats
            .lines()
            .find(|line| line.starts_with("total_reads_processed"));
        line.and_then(|line| line.trim().split(':').nth(1)?.parse::<u64>().ok())
            .unwrap()
    };
    // What asks for the number is read as well, and the keeper renews.
    let nothing = reads();
    let nothing = reads() - nothing;
    let before = reads();
    let second = admitted(&both, "joe").await.unwrap();
    let asked = reads() - before - nothing;
    assert!((1..=2).contains(&asked), "{asked}");
    drop(second);
}
