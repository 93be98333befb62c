//! UDP ASSOCIATE: associations, and the datagrams in them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod client_ports;
mod clients;
mod filter;
mod filtering;
mod fragments;
#[cfg(feature = "limit")]
mod gssapi;
mod lifetime;
mod limits;
#[cfg(feature = "limit")]
mod meters;
mod names;
mod out_of_reach;
mod outgoing;
mod own_relays;
mod policy;
#[cfg(feature = "rules")]
mod rebinding;
mod sizes;
#[cfg(feature = "rules")]
mod swap;
mod transports;
mod true_client;
