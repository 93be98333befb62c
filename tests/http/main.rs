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

mod authentication;
mod connect;
mod draining;
mod forward;
mod guesses;
mod leaving;
mod origins;
mod records;
mod smuggling;
mod statuses;
mod trailers;
mod unflushed;

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

/// The pseudonym of a proxy in `Via`, which is another one in each layer.
fn without_pseudonym(heard: &[u8]) -> String {
    let text = String::from_utf8_lossy(heard).into_owned();
    let Some(at) = text.find("tower-socks-") else {
        return text;
    };
    let (before, pseudonym) = text.split_at(at);
    let behind =
        pseudonym["tower-socks-".len()..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
    format!("{before}PROXY{behind}")
}

/// Reads up to and with an empty line.
async fn head(io: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        heard.push(tokio::io::AsyncReadExt::read_u8(io).await.expect("a head"));
    }
    without_pseudonym(&heard)
}

/// Reads a page of the proxy: the first line, the field `Proxy-Status`, and the text.
async fn page(io: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, String, String) {
    let head = head(io).await;
    let field = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    let length = field("content-length:").expect("a length").parse().unwrap();
    let mut text = vec![0; length];
    tokio::io::AsyncReadExt::read_exact(io, &mut text)
        .await
        .unwrap();
    (
        head.lines().next().unwrap().to_owned(),
        field("proxy-status:").expect("a reason"),
        String::from_utf8(text).unwrap(),
    )
}

/// CONNECT to 192.0.2.1:80, and the answer once it is connected.
const CONNECT: &[u8] = b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n";
const CONNECTED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
