//! Limits that proxies share in Redis: a real one of each test, which lags, stops, crashes and comes back.
//!
//! Several nodes are several handles in one process: each has a name and a connection of its own.

#![cfg(feature = "redis")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod accounts;
mod bandwidth;
mod cluster;
mod failed_logins;
mod fleet;
mod hostile_accounts;
#[path = "../support/log.rs"]
#[allow(dead_code, unreachable_pub, reason = "other test programs have it")]
mod log;
mod nodes;
mod quota_fleet;
mod quotas;
mod rates;
mod server;
mod tunnels;

use std::time::{Duration, Instant};

use tower_socks::{
    Identity, Refusal, Request,
    layer::limit::{Admission, Limiter},
    proto::{Address, Command},
};

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

async fn admitted<L: Limiter>(limiter: &L, user: &str) -> Result<L::Permit, Refusal> {
    match limiter.admit(&request(user)) {
        Admission::Permit(permit) => Ok(permit),
        Admission::Refused(refusal) => Err(refusal),
        Admission::Later(later) => later.await,
    }
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
