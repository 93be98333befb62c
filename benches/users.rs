//! What it costs to verify a name and a password with `Users`, and with a `RememberLayer` in front of it.
//!
//! ```text
//! cargo bench --bench users
//! ```
//!
//! One line for each way in which a verification can end, over a map of 1,000 users; in nanoseconds
//! per verification, the median of many short rounds that take turns. The lines should not differ
//! by more than what a few octets of the name cost: a clock must not tell who is known. Those of what is remembered
//! have 1,000 names in memory, and `Users` is not asked: whatever a verification costs, this is what it costs again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

mod harness;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tower::{Layer, Service};
use tower_socks::{Credentials, Users, layer::auth::remember::RememberLayer};

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

    // Remembered for as long as the bench takes.
    let forever = Duration::from_secs(24 * 3600);
    let layer = RememberLayer::new().unwrap();
    let layer = layer.right_for(forever).wrong_for(forever);
    let mut remembered = layer.layer(users.clone());
    let mut answer = |credentials| {
        let answered = remembered.call(credentials).now_or_never();
        answered.expect("a verifier that is in memory").is_ok()
    };
    for n in 0..USERS {
        let (name, password) = (format!("user-{n:04}"), format!("password-{n:04}"));
        assert!(answer(Credentials::new(name, password).unwrap()));
    }
    let again = [
        ("remembered wrong", &cases[1].1, false),
        ("remembered right", &cases[3].1, true),
    ];
    for (_, credentials, is_right) in again {
        assert_eq!(answer(credentials.clone()), is_right);
    }

    let rounds = harness::scale(harness::number("--rounds", 400), 2);
    let calls = harness::scale(2_000, 10);
    let mut samples = [const { Vec::new() }; 6];
    for round in 0..rounds {
        harness::progress(format_args!("users: round {round} of {rounds}"));
        let (direct, from_memory) = samples.split_at_mut(4);
        for ((_, credentials), samples) in cases.iter().zip(direct) {
            // Cloned in advance: that is not part of a verification.
            let credentials = vec![credentials.clone(); calls];
            let started = Instant::now();
            for credentials in credentials {
                drop(black_box(users.call(black_box(credentials))));
            }
            samples.push(started.elapsed().as_secs_f64() * 1e9 / calls as f64);
        }
        for ((_, credentials, _), samples) in again.iter().zip(from_memory) {
            let credentials = vec![(*credentials).clone(); calls];
            let started = Instant::now();
            for credentials in credentials {
                black_box(answer(black_box(credentials)));
            }
            samples.push(started.elapsed().as_secs_f64() * 1e9 / calls as f64);
        }
    }
    harness::progress(format_args!(""));
    println!("users: {USERS} known, {rounds} rounds of {calls} verifications");
    println!("{:<16} {:>10}", "", "ns");
    let names = cases.iter().map(|(name, _)| name);
    let names = names.chain(again.iter().map(|(name, ..)| name));
    for (name, samples) in names.zip(samples) {
        println!("{name:<16} {:>10.1}", harness::median(samples));
    }
}
