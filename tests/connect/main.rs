//! `Connector`: CONNECT and BIND from this machine, failover, routes, proxies by URL, connectors for hyper; and a
//! closure as a layer around one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod announce;
mod balance;
mod bind;
mod bind_addresses;
mod bind_limits;
mod bind_policy;
mod direct;
#[cfg(all(feature = "hickory", feature = "tls"))]
mod dns_over_tls;
mod failover;
mod failover_classify;
mod failover_probes;
mod failover_silence;
#[cfg(feature = "hickory")]
mod hickory;
#[cfg(feature = "http")]
mod http_clients;
mod leaves;
mod links;
#[cfg(target_os = "linux")]
mod local_ports;
mod lookups;
mod name_service;
mod outgoing;
mod policy;
#[cfg(feature = "proxy-url")]
mod proxy_url;
mod reply_codes;
mod request_fn;
#[cfg(feature = "rules")]
mod route;
#[cfg(feature = "rules")]
mod route_associations;
mod streams;
mod system;
