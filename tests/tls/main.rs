//! TLS with clients and with proxies.

#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub
)]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod commands;
mod connector;
mod ends;
mod handshake;
mod keys;
#[cfg(feature = "proxy-url")]
mod proxy_url;
mod reload;
mod resumption;
mod streams;

use support::tls as world;
