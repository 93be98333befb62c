//! Dropping a future ends its phase and releases what it held, at once: every public future, after
//! every number of polls.
//!
//! A future is polled k times and dropped, for k = 0, 1, 2 and so on until it completes. Each time
//! streams are closed, permits are back, and lists are empty at once. Once the far ends have noticed,
//! there are as many tasks and as many descriptors as before.
//!
//! Descriptors belong to the process, so this is a program of its own, whose tests take turns.

#![cfg(all(feature = "limit", feature = "users"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub
)]

mod alternatives;
mod cases;
mod drops;
mod gssapi;
mod lookups;
mod proxies;
mod recorded;
#[cfg(feature = "remember")]
mod remembered;
mod servers;
mod udp_over_tcp;
#[cfg(any(
    feature = "ldap",
    feature = "radius",
    feature = "postgres",
    feature = "http-auth"
))]
mod verifiers;
