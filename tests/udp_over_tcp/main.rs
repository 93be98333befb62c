//! UDP over TCP: associations whose datagrams travel in the client's stream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod destinations;
mod frames;
mod lifetime;
mod tunnel;
