//! TLS towards a server: to proxies that speak it, or to any target.
//!
//! [`TlsConnector`] connects by another connector, [`Direct`](super::direct::Direct) by default, and shakes hands as a
//! client. It is a transport for [upstreams](super::upstream), and so a hop of a chain: SOCKS5 over TLS, HTTP CONNECT
//! over TLS, TLS inside TLS.
//!
//! * **The name of the server** is that of the target as it was stated; an address has to be in the certificate as
//!   one. [`server_name`](TlsConnector::server_name) replaces it.
//! * **The handshake has a limit** of its own, 10 s by default, once the transport is there. Under an
//!   upstream both are within that one's limit as well.
//! * **Failures are those of the upstream**: a certificate that is not believed takes it down for a
//!   [`Failover`](super::failover), as a port that nobody listens at does.
//! * **Datagrams are covered in the stream only.** An association by a SOCKS5 proxy over TLS is asked for inside TLS,
//!   and its datagrams go in the clear between this machine and the proxy, unless they travel by
//!   [UDP over TCP](super::upstream::Socks5Upstream::udp_over_tcp).
//!
//! # Example
//!
//! ```
//! use tower_socks::{
//!     Connector, connector::{tls::TlsConnector, upstream::Socks5Upstream},
//!     tls::{Authorities, ClientSettings},
//! };
//!
//! # fn main() -> Result<(), tower_socks::BoxError> {
//! # let own = rcgen::generate_simple_self_signed(["proxy.example".to_owned()])?;
//! # let roots = own.cert.pem();
//! // Or `ClientSettings::of_platform()?`, for a proxy with a public certificate.
//! let believed = ClientSettings::new(Authorities::from_pem(roots.as_bytes())?);
//! let upstream = Socks5Upstream::new("proxy.example:1080")
//!     .via(TlsConnector::new(believed.build()?));
//! let connector = Connector::upstream(upstream);
//! # _ = connector;
//! # Ok(())
//! # }
//! ```

mod future;
mod service;

#[cfg(feature = "proxy-url")]
pub(in crate::connector) use self::service::{name_of, shake_hands};
pub use self::{future::ResponseFuture, service::TlsConnector};
