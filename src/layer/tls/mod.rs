//! TLS with clients.
//!
//! [`TlsLayer`] stands above what speaks with clients, and hands on what is inside their TLS:
//! [`Accepted<Io>`](crate::session::Accepted) goes in, `Accepted<TlsStream>` comes out. Every layer for clients can
//! stand inside; a client speaks SOCKS5 or HTTP through it as it would without.
//!
//! * **One deadline.** The handshake runs under the same deadline as what follows it, from the moment the connection
//!   is accepted: 10 s by default. It is bounded in memory too: rustls takes no more than 64 KiB of handshake
//!   before it is complete.
//! * **Certificates change while it runs.** [`TlsLayer::replace`] takes another configuration for the connections to
//!   come. What is open stays open. A [`CertifiedKey`](crate::tls::CertifiedKey) is checked when it is made, so that a
//!   bad one never comes that far.
//! * **Certificates of clients** are verified in the handshake, where the
//!   [settings](crate::tls::ServerSettings::client_certificates) ask for them. What they have in them is in the
//!   extensions, as part of [`TlsInfo`](crate::tls::TlsInfo), and
//!   [`ClientCertificate`](crate::layer::auth::ClientCertificate) makes an identity of it.
//! * **A client without TLS** gets an alert at its first octet, and the log says what it looks like.
//! * **Half-close** is close_notify, in both directions. A client that closes without one has cut its stream, and the other
//!   side of the tunnel sees a reset.
//!
//! **Only the stream is covered.** Requests, passwords and the bytes of CONNECT and BIND are inside TLS; the datagrams
//! of UDP ASSOCIATE are not. They go in the clear between the client and the port that the reply names, as without
//! TLS, and so does what a target sends to the port of a BIND.
//!
//! What it costs: bytes are encrypted and copied, and no longer moved by `splice(2)`. An idle tunnel keeps the state of
//! its session, and the buffers of rustls.
//!
//! A handshake that failed has a line like the end of any session, with `outcome` "tls". Clients that do not speak TLS,
//! leave, or do not like our certificate are at debug; where a certificate of ours has expired, a warning says so at
//! most once an hour.
//!
//! # Example
//!
//! ```
//! use tokio::net::TcpListener;
//! use tower::ServiceBuilder;
//! use tower_socks::{
//!     AuthLayer, Connector, HandshakeLayer, Identity, connector::{tls::TlsConnector, upstream::Socks5Upstream},
//!     layer::{auth::ClientCertificate, tls::TlsLayer}, serve,
//!     tls::{Authorities, CertifiedKey, ClientCertificates, ClientSettings, ServerSettings},
//! };
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! # let server = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let client = rcgen::generate_simple_self_signed(["joe.example".to_owned()])?;
//! # let (chain, key) = (server.cert.pem(), server.signing_key.serialize_pem());
//! # let (client_chain, client_key) = (client.cert.pem(), client.signing_key.serialize_pem());
//! let own = CertifiedKey::from_pem(chain.as_bytes(), key.as_bytes())?;
//! let clients = ClientCertificates::Required(Authorities::from_pem(client_chain.as_bytes())?);
//! let tls = TlsLayer::new(ServerSettings::new(own).client_certificates(clients).build()?);
//! let by_name = ClientCertificate::new(|certificate| certificate.dns_names().pop().map(Identity::named));
//! let stack = ServiceBuilder::new()
//!     .layer(tls.clone())
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(by_name))
//!     .service(Connector::direct());
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let port = listener.local_addr()?.port();
//! tokio::spawn(serve(listener, stack).into_future());
//!
//! // A client with a certificate of its own.
//! let believed = ClientSettings::new(Authorities::from_pem(chain.as_bytes())?)
//!     .certificate(CertifiedKey::from_pem(client_chain.as_bytes(), client_key.as_bytes())?);
//! let proxy = Socks5Upstream::new(tower_socks::proto::Address::new("localhost", port)?)
//!     .via(TlsConnector::new(believed.build()?));
//! # let target = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = target.local_addr()?;
//! let mut stream = proxy.oneshot(address).await?;
//! # target.accept().await?.0.write_all(b"220 hello").await?;
//! # let mut heard = String::new();
//! # stream.read_to_string(&mut heard).await?;
//! # assert_eq!(heard, "220 hello");
//!
//! // On a signal: the files again, for connections from here on.
//! let own = CertifiedKey::from_pem(chain.as_bytes(), key.as_bytes())?;
//! tls.replace(ServerSettings::new(own).build()?);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;

pub use self::{
    future::ResponseFuture,
    layer::{Tls, TlsLayer},
};
