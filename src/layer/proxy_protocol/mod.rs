//! The PROXY protocol: clients as a load balancer states them.
//!
//! Behind a load balancer, or whatever else forwards connections, the peer of every connection is that one. If it
//! speaks HAProxy's PROXY protocol it writes a header with the client's address in front of each connection.
//! [`ProxyProtocolLayer`] reads it, version 1 and 2, and from there on that client is the peer: for rules, limits,
//! failed logins, associations, BIND, log lines and metrics.
//!
//! * **Who may say so is stated, and nothing is guessed.** From the [trusted](ProxyProtocolLayer::trusting) networks a
//!   header is required: without one, or with one that is malformed or has a wrong checksum, the connection is closed, and
//!   the log says so at warn, once a network and minute. From anywhere else no header is looked for, since everybody can
//!   write one: such a connection is refused, or [served as it is](Untrusted::Plain).
//! * **The client is counted, and not the balancer.** [`serve`](crate::serve) counts a connection of a trusted network
//!   for its client, once the header is read, with its [`HandshakeLimit`](crate::server::HandshakeLimit) and its
//!   [`SessionLimit`](crate::server::SessionLimit). Until then it counts in the bound of this layer
//!   ([`waiting`](ProxyProtocolLayer::waiting)), and in no other.
//! * **Health checks are no failures.** LOCAL, UNKNOWN and UNSPEC keep the socket's address. LOCAL is the balancer's
//!   own connection, and counts for no client. One that is closed behind its header, or before it, has said nothing and
//!   ends in order.
//! * **One deadline.** The header has 10 s from when the connection is served, and what comes behind it counts from
//!   there as well.
//!
//! It stands above TLS and the handshake, and outside of layers that are to see the client. tower's
//! `concurrency_limit`, and others that hold up `poll_ready`, belong above it: readiness of what is inside is asked once
//! the header is read. The server learns about it when it asks this layer whether it is ready; below `buffer`, whose
//! worker asks, connections are counted for the balancer until the header is there.
//!
//! The header is in the extensions as a [`ProxyHeader`](crate::proto::ProxyHeader), with its TLVs. Reading it costs no
//! system call where the client's first message comes in the same segment, and is followed in the buffer that
//! the handshake reads from; a tunnel is spliced like any other.
//!
//! ```
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
//! use tower::ServiceBuilder;
//! use tower_socks::{
//!     AuthLayer, Connector, HandshakeLayer, NoAuth, layer::proxy_protocol::ProxyProtocolLayer, serve,
//! };
//! # use tower_socks::{Refusal, layer::request_fn::request_fn, proto::{ProxyHeader, ReplyCode}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let stack = ServiceBuilder::new()
//!     .layer(ProxyProtocolLayer::trusting(["127.0.0.0/8".parse()?]))
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//! #   .layer(request_fn(async |request, next| {
//! #       if request.peer != "203.0.113.5:50000".parse()? { return next.run(request).await; }
//! #       assert!(request.extensions.get::<ProxyHeader>().is_some());
//! #       Err(Refusal::new(ReplyCode::TTL_EXPIRED, "seen").into())
//! #   }))
//!     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! tokio::spawn(serve(listener, stack).unauthenticated_per_client(16).into_future());
//!
//! let mut balancer = TcpStream::connect(address).await?;
//! balancer.write_all(b"PROXY TCP4 203.0.113.5 203.0.113.1 50000 1080\r\n").await?;
//! balancer.write_all(b"\x05\x01\x00").await?;
//! assert_eq!([balancer.read_u8().await?, balancer.read_u8().await?], [5, 0]);
//! # balancer.write_all(b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50").await?;
//! # let mut heard = [0; 10];
//! # balancer.read_exact(&mut heard).await?;
//! # assert_eq!(heard, *b"\x05\x06\x00\x01\x00\x00\x00\x00\x00\x00");
//!
//! // Without a header.
//! let mut client = TcpStream::connect(address).await?;
//! client.write_all(b"\x05\x01\x00").await?;
//! assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0); // closed
//! # Ok(())
//! # }
//! ```
//!
//! A port that clients reach directly as well:
//!
//! ```
//! use std::time::Duration;
//! use tower_socks::layer::proxy_protocol::{ProxyProtocolLayer, Untrusted};
//!
//! let layer = ProxyProtocolLayer::trusting(["10.0.0.0/8".parse()?, "2001:db8::/32".parse()?])
//!     .untrusted(Untrusted::Plain)
//!     .deadline(Duration::from_secs(3));
//! # assert!(format!("{layer:?}").contains("10.0.0.0/8"));
//! # Ok::<(), tower_socks::proto::InvalidNetwork>(())
//! ```

mod connection;
mod future;
mod header;
mod layer;
mod lines;
mod settings;
mod waiting;

pub use self::{
    future::ResponseFuture,
    layer::{ProxyProtocol, ProxyProtocolLayer},
    settings::Untrusted,
};
