//! The layers of a stack, from the outside to the inside.
//!
//! | layer | turns | into |
//! |---|---|---|
//! | `SessionMetricsLayer` (feature `metrics`) | a service for accepted connections | the same, measured |
//! | [`ProxyProtocolLayer`](proxy_protocol::ProxyProtocolLayer) | a service for accepted connections | the same, behind PROXY headers |
//! | `TlsLayer` (feature `tls`) | a service for streams inside TLS | a service for accepted connections |
//! | [`HandshakeLayer`](handshake::HandshakeLayer) | a service for negotiations | a service for accepted connections |
//! | [`Socks4Layer`](socks4::Socks4Layer) | a service for what clients state | a service for accepted connections |
//! | `HttpLayer` (feature `http-server`) | a service for negotiations | a service for accepted connections of HTTP clients |
//! | [`MixedLayer`](mixed::MixedLayer) | a service for negotiations | the same, for several protocols on one port |
//! | `FailedLoginsLayer` (feature `limit`) | a service for negotiations | the same, within a limit on failed logins |
//! | [`AuthLayer`](auth::AuthLayer) | a service for requests | a service for negotiations |
//! | `RememberLayer` (feature `remember`) | a verifier | the same, with its outcomes remembered |
//! | [`UdpOverTcpLayer`](udp_over_tcp::UdpOverTcpLayer) | a service for requests | the same, with UDP over TCP as UDP ASSOCIATE |
//! | `RequestMetricsLayer` (feature `metrics`) | a service for requests | the same, measured |
//! | [`SearchDomainLayer`](search_domain::SearchDomainLayer) | a service for requests | the same, with names of a single label completed |
//! | [`RecheckLayer`](acl::recheck::RecheckLayer) | a service for requests | the same, whose tunnels are closed once a new policy refuses them |
//! | [`AclLayer`](acl::AclLayer) | a service for requests | the same, under a policy |
//! | `LimitLayer` (feature `limit`) | a service for requests | the same, within limits on tunnels and requests |
//! | `MeterLayer` (feature `limit`) | a service for requests | the same, within limits on octets |
//! | [`TraceLayer`](trace::TraceLayer) | a service for requests | the same, with hooks for logs |
//! | [`RecordSessionsLayer`](record::RecordSessionsLayer) | a service for accepted connections | the same, with a record of each session |
//! | [`RecordRequestsLayer`](record::RecordRequestsLayer) | a service for requests | the same, told to the record of the session |
//! | [`request_fn`](request_fn::request_fn) | a service for requests | the same, inside an async closure |
//! | [`TrackLayer`](track::TrackLayer) | a service for requests | the same, with a list of its open tunnels |
//!
//! They know what flows between them ([`session`](crate::session)), and nothing of each other. Each
//! service has `get_ref`, `get_mut` and `into_inner` for the service that it wraps.

pub mod acl;
pub mod auth;
mod connection;
pub mod handshake;
#[cfg(feature = "http-server")]
pub mod http;
#[cfg(feature = "limit")]
pub mod key;
#[cfg(feature = "limit")]
pub mod limit;
#[cfg(feature = "limit")]
pub mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod mixed;
pub mod proxy_protocol;
pub mod record;
pub mod request_fn;
pub mod search_domain;
pub mod socks4;
#[cfg(feature = "tls")]
pub mod tls;
pub mod trace;
pub mod track;
pub mod udp_over_tcp;
