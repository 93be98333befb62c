//! What may come over a wire or out of a file, put to the code that has to live with it.
//!
//! Each target is a plain function of octets that panics where a promise is broken. The programs in
//! `fuzz_targets` hand them to libFuzzer; the tests replay the corpus and a fixed number of its
//! mutations on stable Rust:
//!
//! ```text
//! cargo test --manifest-path fuzz/Cargo.toml
//! cargo fuzz run --features libfuzzer session -- -max_total_time=60
//! ```

#![forbid(unsafe_code)]
#![allow(
    clippy::missing_panics_doc,
    reason = "to panic is how a target says that it has found something"
)]

mod amounts;
mod client;
mod datagrams;
mod decode;
mod gssapi;
mod http;
mod http_answer;
mod http_session;
mod ldap;
mod pieces;
mod proxy_url;
mod quotas;
mod radius;
mod rules;
mod script;
mod session;
mod socks4;
mod stream;
mod text;
mod udp_over_tcp;

pub use self::{
    amounts::amounts,
    client::client,
    datagrams::{association, framed_association, framed_socket, proxy_socket},
    decode::{
        credentials, greeting, gssapi_header, proxy_header, reply, request, selection, status,
        udp_header,
    },
    gssapi::gssapi,
    http::http,
    http_answer::http_answer,
    http_session::http_session,
    ldap::{ldap_message, ldap_names},
    proxy_url::proxy_url,
    quotas::quotas,
    radius::radius_answer,
    rules::rules,
    session::session,
    socks4::{socks4_reply, socks4_request},
    text::address,
    udp_over_tcp::udp_over_tcp,
};

/// A name of `fuzz_targets`, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("address", address),
    ("amounts", amounts),
    ("association", association),
    ("client", client),
    ("credentials", credentials),
    ("framed_association", framed_association),
    ("framed_socket", framed_socket),
    ("greeting", greeting),
    ("gssapi", gssapi),
    ("gssapi_header", gssapi_header),
    ("http", http),
    ("http_answer", http_answer),
    ("http_session", http_session),
    ("ldap_message", ldap_message),
    ("ldap_names", ldap_names),
    ("proxy_header", proxy_header),
    ("proxy_socket", proxy_socket),
    ("proxy_url", proxy_url),
    ("quotas", quotas),
    ("radius_answer", radius_answer),
    ("reply", reply),
    ("request", request),
    ("rules", rules),
    ("selection", selection),
    ("session", session),
    ("socks4_reply", socks4_reply),
    ("socks4_request", socks4_request),
    ("status", status),
    ("udp_header", udp_header),
    ("udp_over_tcp", udp_over_tcp),
];
