//! Kerberos with a real KDC (Debian's `krb5-kdc`, `krb5-admin-server` for `kadmin.local`, and `krb5-user`), which listens to loopback and has its files
//! in a private folder. Without those programs the tests say so, and prove nothing.

#![cfg(all(feature = "gssapi", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

mod contexts;
mod order;
mod realm;
mod refusals;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
