//! What a proxy can learn before it dials.
//!
//! # A PROXY header
//!
//! Behind a load balancer the peer of every connection is the balancer. One that speaks HAProxy's
//! PROXY protocol puts a header with the client's address in front, and
//! [`ProxyProtocolLayer`](crate::layer::proxy_protocol::ProxyProtocolLayer) above the handshake reads it. From there
//! on that client is the `peer` of requests, rules, limits and log lines, and the header with its TLVs is in their
//! extensions: here a tenant that the balancer states.
//!
//! ```
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
//! use tower::ServiceBuilder;
//! use tower_socks::{
//!     AuthLayer, Connector, HandshakeLayer, NoAuth, Refusal,
//!     layer::{proxy_protocol::ProxyProtocolLayer, request_fn::request_fn},
//!     proto::{ProxyHeader, ProxyVersion},
//!     serve,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! const TENANT: u8 = 0xe0;
//! let stack = ServiceBuilder::new()
//!     .layer(ProxyProtocolLayer::trusting(["127.0.0.1/32".parse()?]))
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//!     .layer(request_fn(async |request, next| {
//!         let header = request.extensions.get::<ProxyHeader>();
//!         match header.and_then(|header| header.tlv(TENANT)) {
//!             Some(b"known") => next.run(request).await,
//!             _ => Err(Refusal::not_allowed("a tenant that nobody knows").into()),
//!         }
//!     }))
//!     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//!
//! // What the balancer writes.
//! let header = ProxyHeader::new(ProxyVersion::V2, "203.0.113.5:50000".parse()?, address)
//!     .with_tlv(TENANT, b"forged")?;
//! let mut balancer = TcpStream::connect(address).await?;
//! balancer.write_all(&header.encode()).await?;
//! # balancer.write_all(b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50").await?;
//! # let mut heard = [0; 12];
//! # balancer.read_exact(&mut heard).await?;
//! # assert_eq!(heard, *b"\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00");
//! # Ok(())
//! # }
//! ```
//!
//! # The name in a TLS handshake
//!
//! A client that has resolved a name itself sends an address. The name is in its TLS ClientHello
//! (SNI), which it sends once it has the success reply. A tunnel can wait for that: it replies at
//! once, reads the ClientHello, and only then runs the request, with the name.
//!
//! ```
//! use std::{io, time::Duration};
//! use tokio::{io::AsyncReadExt, time::timeout};
//! use tokio_rustls::rustls::server::Acceptor;
//! use tower::ServiceExt;
//! use tower_socks::{
//!     Connector, Request, Traffic, Tunnel, io::{ClientStream, PrefixedStream}, proto::Address,
//! };
//!
//! /// Dials once it has read the client's first message.
//! struct BySni {
//!     request: Request,
//!     connector: Connector,
//! }
//!
//! impl Tunnel for BySni {
//!     fn bound(&self) -> Address {
//!         Address::UNSPECIFIED // nothing is dialled yet
//!     }
//!
//!     async fn run<W: ClientStream>(mut self, mut client: W) -> io::Result<Traffic> {
//!         let hello = timeout(Duration::from_secs(10), client_hello(&mut client)).await??;
//!         if let Some(name) = hello.1 {
//!             let port = self.request.target.port();
//!             self.request.target = Address::new(&name, port).map_err(io::Error::other)?;
//!         }
//!         let tunnel = self.connector.oneshot(self.request).await.map_err(io::Error::other)?;
//!         tunnel.run(PrefixedStream::with_bytes(client, hello.0)).await
//!     }
//! }
//!
//! /// The octets of the ClientHello, and the name in it. What is no TLS has no name.
//! async fn client_hello<W: ClientStream>(client: &mut W) -> io::Result<(Vec<u8>, Option<String>)> {
//!     let (mut acceptor, mut octets) = (Acceptor::default(), Vec::new());
//!     while octets.len() < 16 * 1024 {
//!         let before = octets.len();
//!         if client.read_buf(&mut octets).await? == 0 {
//!             break;
//!         }
//!         acceptor.read_tls(&mut &octets[before..])?;
//!         match acceptor.accept() {
//!             Ok(None) => continue,
//!             Ok(Some(hello)) => {
//!                 let name = hello.client_hello().server_name().map(Into::into);
//!                 return Ok((octets, name));
//!             }
//!             Err(_) => break,
//!         }
//!     }
//!     Ok((octets, None))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! # use std::sync::Arc;
//! # use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};
//! let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! // The client asks for an address nobody has, and says `localhost` in its ClientHello.
//! let request = Request::new(
//!     tower_socks::proto::Command::CONNECT,
//!     Address::new("192.0.2.1", target.local_addr()?.port())?,
//! );
//! # let config = ClientConfig::builder()
//! #     .with_root_certificates(RootCertStore::empty())
//! #     .with_no_client_auth();
//! # let mut tls = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
//! # let mut hello = Vec::new();
//! # tls.write_tls(&mut hello)?;
//! # let (mut client, near) = tokio::io::duplex(4096);
//! # let tunnel = BySni { request, connector: Connector::direct() };
//! # tokio::spawn(async { tunnel.run(PrefixedStream::new(near)).await.unwrap() });
//! # tokio::io::AsyncWriteExt::write_all(&mut client, &hello).await?;
//! let (mut reached, _) = target.accept().await?;
//! # let mut heard = vec![0; hello.len()];
//! # reached.read_exact(&mut heard).await?;
//! # assert_eq!(heard, hello);
//! # Ok(())
//! # }
//! ```
//!
//! A [`request_fn`](crate::layer::request_fn::request_fn) that returns such a tunnel in place of
//! running the request makes a layer of it; there, [`BoxTunnel`](crate::session::BoxTunnel) is the
//! common type of the two. Before it is of use:
//!
//! * **The reply is a promise.** The client hears "succeeded" before anything is dialled, and an
//!   error can only close the connection: no reply code, no failover that the client could see.
//! * **The server speaks first** in SMTP, SSH and others. Wait on port 443 alone, and only so long.
//! * **A policy has to hear of the name**: the request that is run has to pass an
//!   [`AclLayer`](crate::AclLayer) again, since its target is another one. Put the layer above it.
//! * **SNI is what the client says.** It routes; it proves nothing.
//! * **Bulk data may be copied** in place of `splice(2)`: the relay does not look behind two prefixes.
