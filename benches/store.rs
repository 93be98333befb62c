//! What a request costs the proxy where its limits count in Redis, beside the same limits in memory.
//!
//! ```text
//! cargo bench --bench store --features redis
//! ```
//!
//! CPU time of the proxy's thread for each request, in microseconds: its rate and its tunnel are asked for at once, admitted
//! and given back. The median of rounds that take turns, with Debian's redis-server on a Unix socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod harness;
#[path = "../tests/redis/server.rs"]
#[allow(dead_code, reason = "tests do more with it")]
mod server;

use tokio::task::JoinSet;
use tower_socks::{
    Identity, Request,
    layer::{
        key,
        limit::{Admission, ConcurrentTunnels, Limiter, Pace, RequestRate},
    },
    proto::{Address, Command},
    redis::{RedisRates, RedisTunnels},
};

const USERS: usize = 50;

async fn asks(limit: impl Limiter, first: usize, requests: usize) {
    for number in 0..requests {
        let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
        request.identity = Identity::named(format!("user-{:05}", (first + number) % USERS));
        let permit = match limit.admit(&request) {
            Admission::Permit(permit) => permit,
            Admission::Later(later) => later.await.unwrap(),
            Admission::Refused(refusal) => panic!("{refusal}"),
        };
        drop(permit);
    }
}

/// CPU time of a request, in microseconds, where so many ask at once.
async fn round(limit: &(impl Limiter + Clone), at_once: usize, requests: usize) -> f64 {
    let before = harness::clock::thread_cpu();
    let mut tasks = JoinSet::new();
    for first in 0..at_once {
        tasks.spawn(asks(limit.clone(), first, requests / at_once));
    }
    tasks.join_all().await;
    let used = harness::clock::thread_cpu() - before;
    used.as_secs_f64() * 1e6 / requests as f64
}

fn main() {
    let server = server::Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let redis = server.builder().lease(std::time::Duration::from_secs(30));
        let redis = redis.build().unwrap();
        let pace = Pace::per_second(1_000_000);
        let memory = (
            RequestRate::by_request(pace, key::user),
            ConcurrentTunnels::new(1_000, key::user),
        );
        let stored = (
            RequestRate::by_request(pace, key::user).with_store(RedisRates::new(&redis, "bench")),
            ConcurrentTunnels::new(1_000, key::user).with_store(RedisTunnels::new(&redis, "bench")),
        );
        let rounds = harness::scale(harness::number("--rounds", 15), 2);
        let requests = harness::scale(12_800, 128);
        let at_once = [1, 32, 128];
        let mut samples = [const { [const { Vec::new() }; 2] }; 3];
        for done in 0..rounds {
            harness::progress(format_args!("store: round {done} of {rounds}"));
            for (at_once, [first, second]) in at_once.into_iter().zip(&mut samples) {
                first.push(round(&memory, at_once, requests).await);
                second.push(round(&stored, at_once, requests).await);
            }
        }
        harness::progress(format_args!(""));
        println!("store: {USERS} users, {rounds} rounds of {requests} requests; us of CPU each");
        println!("{:<12} {:>10} {:>10}", "at once", "memory", "redis");
        for (at_once, samples) in at_once.into_iter().zip(samples) {
            let [memory, redis] = samples.map(harness::median);
            println!("{at_once:<12} {memory:>10.2} {redis:>10.2}");
        }
        assert!(redis.is_up(), "redis went away: these are not its numbers");
    });
}
