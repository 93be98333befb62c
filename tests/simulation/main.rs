//! The whole stack, deterministically.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub
)]

mod connect;
mod fault;
mod peer;
mod scenarios;
mod session;
mod sockets;
mod stack;
mod sweep;
