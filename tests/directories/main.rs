//! Verifiers that ask a directory: what they send, what they make of answers, and what becomes of those that do not come.

#![cfg(feature = "ldap")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[cfg(feature = "http-auth")]
mod http_call_out;
mod ldap;
mod ldap_away;
mod ldap_entries;
mod ldap_names;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "radius")]
mod radius;
#[cfg(feature = "radius")]
mod radius_accounting;
#[cfg(feature = "radius")]
mod radius_server;
mod slapd;
