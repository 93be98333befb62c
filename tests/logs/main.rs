//! Lines and spans of the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

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
