//! UDP over TCP: associations whose datagrams travel in the client's stream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub
)]

#[path = "../support/mod.rs"]
mod support;

mod back_pressure;
mod destinations;
mod filtering;
mod frames;
mod lifetime;
mod memory;
mod policy;
mod protocols;
mod tunnel;
