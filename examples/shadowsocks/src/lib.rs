//! shadowsocks 2022 by the crate [`shadowsocks`](::shadowsocks), on both sides of a stack of tower-socks.
//!
//! * [`server`]: clients of shadowsocks come in, and each of their streams and sessions of datagrams becomes a
//!   [`Request`](tower_socks::Request) that goes through policies and limits like any other.
//! * [`upstream`]: a connector and a transport for datagrams that lead through a shadowsocks server.
//!
//! The programs in `src/bin` use them; both show themselves on loopback when they get no arguments.

#![forbid(unsafe_code)]

mod address;
pub mod keys;
pub mod loopback;
mod receive;
pub mod server;
pub mod upstream;
mod window;
