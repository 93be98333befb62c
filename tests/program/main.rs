//! The example server as a program of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(unix, feature = "rules", feature = "users"))]
mod config;
#[cfg(all(
    unix,
    feature = "limit",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod limits;
#[cfg(all(
    unix,
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod load;
#[cfg(all(unix, feature = "rules", feature = "users"))]
mod server;
#[cfg(all(
    unix,
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod status;
#[cfg(all(
    unix,
    feature = "limit",
    feature = "metrics",
    feature = "proxy-url",
    feature = "rules",
    feature = "users"
))]
mod systemd;
