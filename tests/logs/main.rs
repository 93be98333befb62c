//! Lines and spans of the log.
//!
//! The subscriber belongs to the thread, and every test here has one and runs on one thread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod dropped;
mod failover;
mod floods;
#[cfg(feature = "http-connect")]
mod levels;
mod recheck;
#[cfg(feature = "rules")]
mod rules;
#[cfg(feature = "users")]
mod sessions;
mod trace;
mod trace_hooks;
mod trace_names;
#[cfg(feature = "http-connect")]
mod upstream;
