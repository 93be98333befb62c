//! The accept loop, and what holds for the whole crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod accept;
mod circles;
mod examples;
mod floors;
mod keepalive;
#[cfg(all(feature = "rules", feature = "users"))]
mod regressions;
mod security;
mod words;
