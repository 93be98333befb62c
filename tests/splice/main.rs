//! Bulk data between sockets takes pipes, whatever stands around the relay.
//!
//! Pipes belong to the process, so this is a program of its own, whose tests take turns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod gssapi;
#[cfg(all(target_os = "linux", feature = "limit"))]
mod limits;
#[cfg(target_os = "linux")]
mod off;
#[cfg(target_os = "linux")]
mod proxy_protocol;
#[cfg(target_os = "linux")]
mod quota;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(all(target_os = "linux", feature = "http-connect"))]
mod upstream;
#[cfg(target_os = "linux")]
mod wrappers;
