//! The relay by itself, between streams of all kinds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod cuts;
mod limits;
mod resets;
mod tunnel_ext;
#[cfg(target_os = "linux")]
mod urgent;
