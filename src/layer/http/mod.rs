//! An HTTP proxy: CONNECT, and requests for a whole URL (RFC 9110, RFC 9112).

#![allow(dead_code, reason = "forwarding is not here yet")]

mod authenticate;
mod authorization;
mod body;
mod chunks;
mod client;
mod connect;
mod connection;
mod conversation;
mod future;
mod gate;
mod head;
mod layer;
mod page;
mod problem;
mod status;
mod target;

pub(crate) use self::connection::serve;
pub use self::layer::{Http, HttpLayer};
