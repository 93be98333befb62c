//! What a proxy can learn before it dials.
//!
//! # A PROXY header
//!
//! Behind a load balancer the peer of every connection is the balancer. One that speaks HAProxy's
//! PROXY protocol puts a line with the true client in front, and one line of tower's `filter_async`
//! above the handshake reads it:
//!
//! ```
//! use std::{io, time::Duration};
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}, time::timeout};
//! use tower::ServiceBuilder;
//! use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve, session::Accepted};
//! # use tower_socks::{Refusal, layer::request_fn::request_fn};
//!
//! /// Reads version 1: `PROXY TCP4 203.0.113.5 203.0.113.1 50000 1080\r\n`, 107 octets at most.
//! async fn proxy_header(mut accepted: Accepted<TcpStream>) -> io::Result<Accepted<TcpStream>> {
//!     let mut line = Vec::new();
//!     while !line.ends_with(b"\r\n") && line.len() < 107 {
//!         line.push(accepted.io.read_u8().await?); // not an octet of the greeting
//!     }
//!     let line = String::from_utf8_lossy(&line);
//!     accepted.peer = match line.trim_end().split(' ').collect::<Vec<_>>()[..] {
//!         ["PROXY", "TCP4", client, _, port, _] => format!("{client}:{port}").parse(),
//!         ["PROXY", "TCP6", client, _, port, _] => format!("[{client}]:{port}").parse(),
//!         _ => return Err(io::ErrorKind::InvalidData.into()),
//!     }
//!     .map_err(|_| io::ErrorKind::InvalidData)?;
//!     Ok(accepted)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let stack = ServiceBuilder::new()
//!     .filter_async(|accepted| async { timeout(Duration::from_secs(5), proxy_header(accepted)).await? })
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//! #   .layer(request_fn(async |request, next| {
//! #       if request.peer != "203.0.113.5:50000".parse()? { return next.run(request).await; }
//! #       Err(Refusal::new(tower_socks::proto::ReplyCode::TTL_EXPIRED, "seen").into())
//! #   }))
//!     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//! # let mut client = TcpStream::connect(address).await?;
//! # client.write_all(b"PROXY TCP4 203.0.113.5 203.0.113.1 50000 1080\r\n").await?;
//! # client.write_all(b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50").await?;
//! # let mut heard = [0; 12];
//! # client.read_exact(&mut heard).await?;
//! # assert_eq!(heard, *b"\x05\x00\x05\x06\x00\x01\x00\x00\x00\x00\x00\x00");
//! # let mut garbage = TcpStream::connect(address).await?;
//! # garbage.write_all(b"GET / HTTP/1.1\r\n").await?;
//! # assert_eq!(garbage.read(&mut heard).await.unwrap_or(0), 0);
//! # Ok(())
//! # }
//! ```
//!
//! From there on the true client is the `peer` of requests, rules and log lines. Three things to mind: accept
//! connections from the balancer alone, since anybody can write such a line; the deadline of
//! [`HandshakeLayer`](crate::HandshakeLayer) begins after it, hence the `timeout`; and what counts
//! connections where they are accepted
//! ([`unauthenticated_per_client`](crate::server::Serve::unauthenticated_per_client)) still sees
//! the balancer.
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
