//! Connectors elsewhere: proxies for other libraries.
//!
//! Every connector for CONNECT is a service for anything that names a target, and its response is a plain
//! `AsyncRead + AsyncWrite`. So whatever takes a connector or a stream can go through a proxy,
//! by [`Socks5Upstream`](crate::connector::upstream::Socks5Upstream), `HttpUpstream`, a chain of
//! them, or `EnvConnector` for `ALL_PROXY`:
//!
//! ```
//! use tokio::io::AsyncReadExt;
//! use tower::ServiceExt;
//! use tower_socks::{connector::upstream::Socks5Upstream, proto::Address};
//! # use tower_socks::{AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, serve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let stack = tower::ServiceBuilder::new()
//! #     .layer(HandshakeLayer::new())
//! #     .layer(AuthLayer::new(NoAuth))
//! #     .service(Connector::direct());
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let proxy = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let target: Address = listener.local_addr()?.into();
//! # tokio::spawn(async move {
//! #     tokio::io::AsyncWriteExt::write_all(&mut listener.accept().await?.0, b"welcome").await
//! # });
//! let mut stream = Socks5Upstream::new(proxy).oneshot(target).await?;
//! let mut heard = String::new();
//! stream.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "welcome");
//! # Ok(())
//! # }
//! ```
//!
//! | library | takes | how | example |
//! |---|---|---|---|
//! | hyper-util | a `Service<Uri>` | `Client::builder(..).build(upstream)`, with the feature `http` | `examples/hyper_client.rs` |
//! | hyper-rustls | a `Service<Uri>` | `HttpsConnectorBuilder::new()..wrap_connector(upstream)` | |
//! | tonic | a `Service<Uri>` | `Endpoint::connect_with_connector(upstream)`, with the feature `http` | `examples/tonic_client.rs` |
//! | kube | a `Service<http::Request>` | `ClientBuilder::new(client, namespace)`, over a hyper-util client with hyper-rustls around the upstream; the TLS is `ConfigExt::rustls_client_config` | |
//! | octocrab | a `Service<http::Request>` | `OctocrabBuilder::with_service(client)`, over a hyper-util client with hyper-rustls around the upstream | |
//! | tokio-tungstenite | a stream | `client_async(url, stream)`, or `client_async_tls` | `examples/elsewhere`, `websocket` |
//! | tokio-postgres | a stream | `Config::connect_raw(stream, tls)` | `examples/elsewhere`, `postgres` |
//! | redis | a stream | `MultiplexedConnection::new_with_config(&info, stream, config)` | `examples/elsewhere`, `redis` |
//! | tokio-rustls | a stream | `TlsConnector::connect(name, stream)` | `examples/tls.rs` |
//! | hickory-resolver | a runtime provider | `connect_tcp` of a `RuntimeProvider` of your own: DNS over TCP, TLS or HTTPS | |
//! | quinn | an `AsyncUdpSocket` | one over [`ProxySocket`](crate::client::ProxySocket), the datagrams of a UDP ASSOCIATE, or of UDP over TCP | `examples/elsewhere`, `quic` and `quic_over_tcp` |
//!
//! `examples/elsewhere` is a package of its own with its own lock file, so that nobody who tests
//! this crate compiles databases.
//!
//! # Names
//!
//! A target that is a name goes to the proxy as one (`socks5h`), and nothing is resolved here. A library that
//! resolves first and then connects takes that away: give it the connector and not addresses.
//! Libraries that are handed a stream have to be told the server's name for TLS by other means, as
//! all of those above can be.
//!
//! # What cannot be done, and why
//!
//! * **reqwest** builds its own connector and takes none from outside: `ClientBuilder` accepts
//!   layers around the connector that it has, whose request type is private, and a resolver. It
//!   speaks SOCKS5 itself (`Proxy::all("socks5h://..")`); what it cannot use is a chain, a route or
//!   a transport of this crate. A local listener with a stack on it, whose connector is that chain,
//!   is how it gets there: `Proxy::all("socks5h://127.0.0.1:1080")`.
//! * **rumqttc** opens its socket itself, and its own proxy support is for HTTP CONNECT. The same
//!   local listener serves it where it can be configured for a proxy, and not otherwise.
//! * **Pools that open connections themselves** (deadpool, bb8 over a driver's own URL) need a
//!   manager of your own that calls the connector.
//! * **QUIC through HTTP proxies**: CONNECT carries streams alone. UDP needs a SOCKS5 proxy that executes UDP
//!   ASSOCIATE.
