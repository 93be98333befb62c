//! The layers of a stack, from the outside to the inside.
//!
//! | layer | turns | into |
//! |---|---|---|
//! | [`HandshakeLayer`](handshake::HandshakeLayer) | a service for negotiations | a service for accepted connections |
//! | [`AuthLayer`](auth::AuthLayer) | a service for requests | a service for negotiations |
//! | [`AclLayer`](acl::AclLayer) | a service for requests | the same, under a policy |
//!
//! They know what flows between them ([`session`](crate::session)), and nothing of each other.

pub mod acl;
pub mod auth;
pub mod handshake;
#[cfg(feature = "limit")]
pub mod limit;
