//! The layers of a stack, from the outside to the inside.
//!
//! | layer | turns | into |
//! |---|---|---|
//! | [`HandshakeLayer`](handshake::HandshakeLayer) | a service for negotiations | a service for accepted connections |
//! | [`AuthLayer`](auth::AuthLayer) | a service for requests | a service for negotiations |
//! | [`AclLayer`](acl::AclLayer) | a service for requests | the same, under a policy |
//! | `limit` (feature): `LimitLayer`, `MeterLayer` | a service for requests | the same, within limits |
//! | [`TraceLayer`](trace::TraceLayer) | a service for requests | the same, with hooks for logs |
//! | [`TrackLayer`](track::TrackLayer) | a service for requests | the same, with a list of its open tunnels |
//!
//! They know what flows between them ([`session`](crate::session)), and nothing of each other.

pub mod acl;
pub mod auth;
pub mod handshake;
#[cfg(feature = "limit")]
pub mod key;
#[cfg(feature = "limit")]
pub mod limit;
#[cfg(feature = "limit")]
pub mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod trace;
pub mod track;
