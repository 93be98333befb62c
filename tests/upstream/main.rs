//! Requests through other proxies: `Socks5Upstream` and `HttpUpstream`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod bind;
mod datagrams;
#[cfg(feature = "http-connect")]
mod http;
#[cfg(feature = "http-connect")]
mod limits;
mod relays;
mod resolver;
#[cfg(feature = "users")]
mod server;
mod socks4;
mod socks5;
mod udp_over_tcp;
#[cfg(all(feature = "http", feature = "tls", feature = "proxy-url"))]
mod udp_over_tcp_chains;
