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
mod limits;
mod tunnel_ext;
