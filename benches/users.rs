//! What it costs to verify a name and a password with `Users`.
//!
//! ```text
//! cargo bench --bench users
//! ```
//!
//! One line for each way in which a verification can end, over a map of 1,000 users; in nanoseconds
//! per verification, the median of many short rounds that take turns. The lines should not differ
//! by more than what a few octets of the name cost: a clock must not tell who is known.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

mod harness;

use std::{hint::black_box, time::Instant};

use tower::Service;
use tower_socks::{Credentials, Users};

const USERS: usize = 1_000;

fn main() {
    let mut users: Users = (0..USERS)
        .map(|n| (format!("user-{n:04}"), format!("password-{n:04}")))
        .collect();
    let cases = [
        (
            "unknown name",
            Credentials::new("nobody-00", "password-0042"),
        ),
        (
            "wrong password",
            Credentials::new("user-0042", "password-0043"),
        ),
        ("wrong at once", Credentials::new("user-0042", "x")),
        (
            "right password",
            Credentials::new("user-0042", "password-0042"),
        ),
    ]
    .map(|(name, credentials)| (name, credentials.unwrap()));

    let rounds = harness::scale(harness::number("--rounds", 400), 2);
    let calls = harness::scale(2_000, 10);
    let mut samples = [const { Vec::new() }; 4];
    for round in 0..rounds {
        harness::progress(format_args!("users: round {round} of {rounds}"));
        for ((_, credentials), samples) in cases.iter().zip(&mut samples) {
            // Cloned in advance: that is not part of a verification.
            let credentials = vec![credentials.clone(); calls];
            let started = Instant::now();
            for credentials in credentials {
                drop(black_box(users.call(black_box(credentials))));
            }
            samples.push(started.elapsed().as_secs_f64() * 1e9 / calls as f64);
        }
    }
    harness::progress(format_args!(""));
    println!("users: {USERS} known, {rounds} rounds of {calls} verifications");
    println!("{:<16} {:>10}", "", "ns");
    for ((name, _), samples) in cases.iter().zip(samples) {
        println!("{name:<16} {:>10.1}", harness::median(samples));
    }
}
