//! `Connector`: CONNECT and BIND from this machine, failover, routes, proxies by URL, and connectors for hyper.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod bind;
mod bind_policy;
mod direct;
mod failover;
mod failover_classify;
#[cfg(feature = "hickory")]
mod hickory;
#[cfg(feature = "http")]
mod http_clients;
mod policy;
#[cfg(feature = "proxy-url")]
mod proxy_url;
mod reply_codes;
#[cfg(feature = "rules")]
mod route;
mod streams;
