//! `Client`: what it says, what it makes of every answer, and its UDP sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod bind;
mod connect;
#[cfg(feature = "users")]
mod gssapi;
mod methods;
mod optimistic;
#[cfg(feature = "users")]
mod proxies;
mod resolve;
mod rogue;
mod socks4;
mod udp;
mod udp_over_tcp;
mod udp_over_tcp_rogue;
mod udp_replies;
mod udp_rogue;
