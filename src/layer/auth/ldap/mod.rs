//! Verifies users by a directory of LDAP (RFC 4511).

mod ber;
mod builder;
mod connection;
mod dn;
mod error;
mod filter;
mod future;
mod message;
mod servers;
mod service;
mod url;
mod verify;

pub use self::{
    builder::LdapBuilder,
    error::{InvalidLdap, LdapError},
    future::ResponseFuture,
    service::Ldap,
};
