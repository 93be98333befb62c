//! Passwords show up nowhere, and comparing them takes the same time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "users")]
mod passwords;
