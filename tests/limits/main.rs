//! Limits on sessions, logins, tunnels, requests and bytes, and the meters behind them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod amounts;
#[cfg(feature = "limit")]
mod bytes;
#[cfg(feature = "limit")]
mod calendar;
#[cfg(feature = "limit")]
mod changed;
#[cfg(feature = "limit")]
mod fairness;
#[cfg(feature = "limit")]
mod keys;
#[cfg(all(feature = "limit", feature = "users"))]
mod logins;
mod meters;
#[cfg(feature = "limit")]
mod own;
mod own_protocol;
#[cfg(feature = "limit")]
mod rates;
mod senders;
#[cfg(feature = "users")]
mod sessions;
#[cfg(all(feature = "limit", feature = "users"))]
mod stores;
mod told;
#[cfg(all(
    feature = "limit",
    feature = "metrics",
    feature = "rules",
    feature = "users"
))]
mod true_client;
#[cfg(feature = "limit")]
mod tunnels;
#[cfg(feature = "limit")]
mod waiting;
