//! The server's side of RFC 1928 and RFC 1929, and of SOCKS4, octet by octet: greeting, authentication, request, reply.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod blocking_verifier;
#[cfg(feature = "users")]
mod deadline;
mod dialled;
mod early_data;
mod encapsulation;
#[cfg(feature = "users")]
mod gssapi;
mod gssapi_frames;
#[cfg(feature = "users")]
mod hostile;
mod messages;
#[cfg(feature = "users")]
mod method_selection;
mod mixed;
mod names;
#[cfg(feature = "users")]
mod origin;
#[cfg(feature = "users")]
mod private_methods;
#[cfg(all(feature = "rules", feature = "users"))]
mod properties;
mod proxy_header;
mod proxy_protocol;
mod readiness;
#[cfg(feature = "remember")]
mod remember;
mod requests;
mod requests_errors;
mod requests_literals;
mod requests_replies;
mod socks4;
#[cfg(feature = "limit")]
mod socks4_stack;
#[cfg(feature = "limit")]
mod socks4_user_ids;
#[cfg(feature = "limit")]
mod stated;
mod streams;
mod udp_over_tcp;
#[cfg(feature = "users")]
mod userpass;
#[cfg(feature = "users")]
mod users;
#[cfg(feature = "users")]
mod users_mistakes;
mod verifier;
