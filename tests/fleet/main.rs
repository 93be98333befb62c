//! Example servers that share limits in Redis: a real one of each test.

#![cfg(all(unix, feature = "redis", feature = "rules", feature = "users"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod accounts;
mod bytes;
mod limits;
mod logins;
mod node;
#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "another test program has it")]
mod server;
mod stated;
#[path = "../support/mod.rs"]
mod support;
mod together;
