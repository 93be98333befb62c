//! The example server among faults, floods and slow peers.

#![cfg(all(
    target_os = "linux",
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod handshakes;
mod logs;
mod peers;
mod resources;
mod udp;
