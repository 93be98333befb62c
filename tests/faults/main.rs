//! The example server among faults, floods and slow peers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(
    target_os = "linux",
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod handshakes;
#[cfg(all(
    target_os = "linux",
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod logs;
#[cfg(all(
    target_os = "linux",
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod peers;
#[cfg(all(
    target_os = "linux",
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod resources;
#[cfg(all(
    target_os = "linux",
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod udp;
