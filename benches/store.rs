//! What a request costs the proxy where its limits count in Redis, beside the same limits in memory.
//!
//! ```text
//! cargo bench --bench store --features redis
//! ```
//!
//! CPU time of the proxy's thread for each request, in microseconds: its rate and its tunnel are asked for at once, admitted
//! and given back. The median of rounds that take turns, with Debian's redis-server on a Unix socket.
//!
//! Then what bulk data costs through a quota and a bandwidth that are far away from being reached: from a blocking thread to
//! another one over loopback, in GB/s on the clock and in seconds of the proxy's thread for each GB.
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

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Instant,
};

use tokio::task::JoinSet;
use tower_socks::{
    Identity, Request,
    io::{ClientStream, PrefixedStream},
    layer::{
        key,
        limit::{Admission, ConcurrentTunnels, Limiter, Pace, RequestRate},
        meter::{Bandwidth, CalendarQuota, CalendarStore, MakeMeter, Periods, Quotas, Rates},
    },
    proto::{Address, Command},
    redis::{Redis, RedisBandwidth, RedisQuotas, RedisRates, RedisTunnels},
    relay::Relay,
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
async fn round(limit: &impl Limiter, at_once: usize, requests: usize) -> f64 {
    let before = harness::clock::thread_cpu();
    let mut tasks = JoinSet::new();
    for first in 0..at_once {
        tasks.spawn(asks(limit.clone(), first, requests / at_once));
    }
    tasks.join_all().await;
    let used = harness::clock::thread_cpu() - before;
    used.as_secs_f64() * 1e6 / requests as f64
}

/// A stream that the proxy has, of a blocking one.
fn asynchronous(stream: TcpStream) -> tokio::net::TcpStream {
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream).unwrap()
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

/// Makes the meter of a tunnel.
async fn metered<M: MakeMeter>(limit: &M) -> M::Meter {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named("joe");
    let meter = match limit.meter(&request) {
        Admission::Permit(meter) => meter,
        Admission::Later(later) => later.await.unwrap(),
        Admission::Refused(refusal) => panic!("{refusal}"),
    };
    meter.unwrap()
}

/// Moves bytes through a tunnel with these limits: GB/s, and seconds of the CPU for each.
async fn bulk(quota: &impl MakeMeter, bandwidth: &impl MakeMeter, bytes: usize) -> [f64; 2] {
    let ((mut source, near), (mut sink, far)) = (pair(), pair());
    let sender = thread::spawn(move || {
        let block = vec![0; 64 * 1024];
        for _ in 0..bytes / block.len() {
            source.write_all(&block).unwrap();
        }
    });
    let receiver = thread::spawn(move || {
        let mut block = vec![0; 256 * 1024];
        while sink.read(&mut block).unwrap() > 0 {}
    });
    let near = PrefixedStream::new(asynchronous(near)).metered(metered(quota).await);
    let near = near.metered(metered(bandwidth).await);
    let (started, before) = (Instant::now(), harness::clock::thread_cpu());
    let traffic = Relay::new().run(near, asynchronous(far)).await.unwrap();
    let used = (harness::clock::thread_cpu() - before).as_secs_f64();
    let (moved, time) = (traffic.up as f64 / 1e9, started.elapsed().as_secs_f64());
    assert!(traffic.up as usize + 64 * 1024 > bytes);
    sender.join().unwrap();
    receiver.join().unwrap();
    [moved / time, used / moved]
}

/// Bulk data through limits in memory and in Redis.
async fn bulks(redis: &Redis) {
    let (quotas, rates) = (Quotas::new().day(1 << 50), Rates::new().up(20_000_000_000));
    let store = CalendarStore::new(quotas, Periods::new());
    let memory = (
        CalendarQuota::new(store, quotas, key::user),
        Bandwidth::by_request(rates, key::user),
    );
    let store = RedisQuotas::new(redis, "bench", quotas, Periods::new());
    let stored = (
        CalendarQuota::new(store, quotas, key::user),
        RedisBandwidth::new(redis, "bench", rates, key::user),
    );
    let rounds = harness::scale(harness::number("--rounds", 15), 2);
    let bytes = harness::scale(harness::number("--megabytes", 400) * 1_000_000, 2_000_000);
    let mut samples = [const { Vec::new() }; 2];
    for done in 0..rounds {
        harness::progress(format_args!("store: bulk, round {done} of {rounds}"));
        samples[0].push(bulk(&memory.0, &memory.1, bytes).await);
        samples[1].push(bulk(&stored.0, &stored.1, bytes).await);
    }
    harness::progress(format_args!(""));
    println!("bulk, {rounds} rounds of {} MB", bytes / 1_000_000);
    println!("{:<12} {:>10} {:>10}", "", "memory", "redis");
    for (at, name) in ["GB/s", "CPU s/GB"].into_iter().enumerate() {
        let [memory, redis] = samples
            .each_ref()
            .map(|samples| harness::median(samples.iter().map(|sample| sample[at])));
        println!("{name:<12} {memory:>10.3} {redis:>10.3}");
    }
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
        bulks(&redis).await;
        assert!(redis.is_up(), "redis went away: these are not its numbers");
    });
}
