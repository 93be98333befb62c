//! What an operator sees: numbers, open tunnels, errors, and values in a log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(
    feature = "rules",
    feature = "users",
    feature = "limit",
    feature = "http-connect",
    feature = "proxy-url"
))]
mod debug;
#[cfg(all(
    feature = "rules",
    feature = "users",
    feature = "limit",
    feature = "metrics",
    feature = "http-connect"
))]
mod debug_services;
mod drain;
#[cfg(feature = "http-connect")]
mod errors;
mod extensions;
#[cfg(feature = "metrics")]
mod forgetting;
#[cfg(all(feature = "limit", feature = "metrics"))]
mod inner_services;
#[cfg(all(feature = "metrics", feature = "users"))]
mod metrics;
#[cfg(feature = "metrics")]
mod metrics_outcomes;
#[cfg(all(
    feature = "metrics",
    feature = "limit",
    feature = "rules",
    feature = "users"
))]
mod metrics_refusals;
mod record;
mod sizes;
mod track;
