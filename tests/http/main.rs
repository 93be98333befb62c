//! Clients of an HTTP proxy, octet by octet.

#![cfg(feature = "http-server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod connect;

use tower::Layer;
use tower_socks::{
    AuthLayer,
    layer::{
        auth::Auth,
        http::{Http, HttpLayer},
    },
};

/// HTTP and an authentication method in front of a service.
fn stack<A, S: Clone>(authenticate: A, service: S) -> Http<Auth<A, S>> {
    HttpLayer::new().layer(AuthLayer::new(authenticate).layer(service))
}

/// CONNECT to 192.0.2.1:80, and the answer once it is connected.
const CONNECT: &[u8] = b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n";
const CONNECTED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
