//! What a limit costs a request, without the request.
//!
//! ```text
//! cargo bench --bench limits --features limit
//! ```
//!
//! One line for each limit, with 10,000 users who take turns; in nanoseconds per request, the median
//! of many short rounds that take turns: the key, the decision, and giving back what was taken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod harness;

use std::{
    hint::black_box,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use tower_socks::{
    Identity, Request,
    layer::{
        key,
        limit::{ConcurrentTunnels, Limiter, RequestRate},
        meter::{Bandwidth, ByteQuota, MakeMeter},
    },
    proto::{Address, Command},
};

const USERS: usize = 10_000;

/// What a limit does with a request.
type Ask<'a> = Box<dyn Fn(&Request) + 'a>;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let requests: Vec<Request> = (0..USERS)
        .map(|n| {
            let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
            request.identity = Identity::named(format!("user-{n:05}"));
            request
        })
        .collect();

    let tunnels = ConcurrentTunnels::new(1_000, key::user);
    // Everyone has one open, as it is in real life.
    let held: Vec<_> = requests
        .iter()
        .map(|request| tunnels.admit(request))
        .collect();
    let rate = RequestRate::per_second(NonZeroU32::MAX, key::user);
    let bandwidth = Bandwidth::new(key::user).up(1 << 40).down(1 << 40);
    let meters: Vec<_> = requests
        .iter()
        .map(|request| bandwidth.meter(request))
        .collect();
    let quota = ByteQuota::new(u64::MAX, Duration::from_secs(3600), key::user);
    let nobody = Bandwidth::new(|_: &Request| None::<()>).up(1);

    let cases: [(&str, Ask<'_>); 6] = [
        (
            "the key alone",
            Box::new(|request| drop(black_box(key::user(request)))),
        ),
        (
            "tunnels",
            Box::new(|request| drop(black_box(tunnels.admit(request)))),
        ),
        (
            "requests per second",
            Box::new(|request| drop(black_box(rate.admit(request)))),
        ),
        (
            "bandwidth",
            Box::new(|request| drop(black_box(bandwidth.meter(request)))),
        ),
        (
            "bytes per period",
            Box::new(|request| drop(black_box(quota.meter(request)))),
        ),
        (
            "bandwidth, not limited",
            Box::new(|request| drop(black_box(nobody.meter(request)))),
        ),
    ];

    let rounds = harness::scale(harness::number("--rounds", 200), 2);
    let mut samples = [const { Vec::new() }; 6];
    for round in 0..rounds {
        harness::progress(format_args!("limits: round {round} of {rounds}"));
        for ((_, ask), samples) in cases.iter().zip(&mut samples) {
            let started = Instant::now();
            for request in &requests {
                ask(black_box(request));
            }
            samples.push(started.elapsed().as_secs_f64() * 1e9 / USERS as f64);
        }
    }
    harness::progress(format_args!(""));
    println!("limits: {USERS} users, {rounds} rounds of a request each");
    println!("{:<24} {:>10}", "", "ns");
    for ((name, _), samples) in cases.iter().zip(samples) {
        println!("{name:<24} {:>10.1}", harness::median(samples));
    }
    drop((held, meters));
}
