//! Connectors through another proxy: for chains, and for servers behind servers.
//!
//! | connector | asks the proxy by | |
//! |---|---|---|
//! | [`Socks5Upstream`] | SOCKS5 (RFC 1928), by a [`Client`](crate::Client) | CONNECT; [BIND](Socks5Upstream::into_bind) and [UDP ASSOCIATE](Socks5Upstream::into_transports) too; Tor's RESOLVE and RESOLVE_PTR as a [resolver](Socks5Upstream::into_resolver) |
//! | [`Socks4Upstream`] | SOCKS4 and SOCKS4a, by a [`Socks4Client`](crate::client::Socks4Client) | CONNECT; [BIND](Socks4Upstream::into_bind) and, by UDP over TCP, [UDP ASSOCIATE](Socks4Upstream::into_transports) too |
//! | `HttpUpstream` (feature `http-connect`) | HTTP/1.1 CONNECT (RFC 9110 section 9.3.6) | CONNECT; by UDP over TCP UDP ASSOCIATE too |
//!
//! * **They nest.** The transport to the proxy is a connector itself,
//!   [`Direct`](crate::connector::direct::Direct) by default: [`via`](Socks5Upstream::via) replaces
//!   it by another upstream, or by one that does TLS. That makes chains of any length and mixture.
//! * **The stream is not wrapped.** Nothing is read ahead, and what is returned is the very stream of
//!   the transport, however long the chain. A [`Relay`](crate::relay::Relay) still
//!   moves bulk data by `splice(2)`.
//! * **Names go to the proxy** as names (`socks5h`), and are not resolved here. With
//!   [`local_dns`](Socks5Upstream::local_dns) they are resolved here, and the proxy gets
//!   addresses (`socks5`).
//! * **Policies are asked all the same**: about each address that is sent to the proxy, and about
//!   each name that is forwarded, by [`Policy::check_name`](crate::session::Policy::check_name). What such
//!   a name leads to, only the proxy knows: where that matters, resolve here. The proxy's own
//!   address is the operator's choice, and no policy is asked about it.
//! * **The proxy's own reply code reaches the client**, unknown numbers included; SOCKS4 has one for all failures,
//!   which is 01 there. What goes wrong
//!   between this machine and the proxy is 01, since it says nothing about the target. Errors are
//!   [`ClientError`](crate::ClientError) or `HttpError` in a box, and say whose fault it was.
//! * **Everything has a time limit**: the client's [`timeout`](crate::Client::timeout) bounds a lookup,
//!   reaching the proxy, and then the dialogue, each by itself. No further address of a name is
//!   tried once that time has passed.
//! * **Datagrams of UDP ASSOCIATE do not take the chain.** It is requested over it, and then they go from
//!   here straight to the relay of the last proxy, as far as this machine can reach it. Connections
//!   of BIND come back through the chain.
//! * **Datagrams of UDP over TCP do.** They travel in the stream to the last proxy, through all others and their TLS,
//!   and need no other port: with [`udp_over_tcp`](Socks5Upstream::udp_over_tcp), and in any case where the last proxy
//!   is one of SOCKS4a or HTTP. That proxy has to know it, as sing-box and servers of this crate do. A lost
//!   segment holds up all datagrams behind it.
//! * **HTTP and SOCKS4 proxies have no UDP of their own, and HTTP no BIND.**
//!   [`with_connect`](crate::Connector::with_connect) leaves BIND and UDP ASSOCIATE with this machine: give
//!   [`with_associate`](crate::Connector::with_associate) the transports of the upstream, and put
//!   [`Unsupported`](super::Unsupported) in their places if nothing may leave from here.
//!
//! # Example
//!
//! ```
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpListener};
//! use tower::ServiceExt;
//! use tower_socks::{Client, Connector, connector::upstream::Socks5Upstream, proto::Address};
//! # use tower_socks::{AuthLayer, BoxError, HandshakeLayer, NoAuth, serve};
//! # fn stack() -> impl tower::Service<
//! #     tower_socks::session::Accepted<tokio::net::TcpStream>, Response = tower_socks::Traffic,
//! #     Error = BoxError, Future: Send,
//! # > + Clone + Send + 'static {
//! #     tower::ServiceBuilder::new()
//! #         .layer(HandshakeLayer::new())
//! #         .layer(AuthLayer::new(NoAuth))
//! #         .service(Connector::direct())
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let first = TcpListener::bind("127.0.0.1:0").await?;
//! # let second = TcpListener::bind("127.0.0.1:0").await?;
//! # let (near, far) = (first.local_addr()?, second.local_addr()?);
//! # tokio::spawn(serve(first, stack()).into_future());
//! # tokio::spawn(serve(second, stack()).into_future());
//! // To `far` through `near`, each in one round trip.
//! let quick = Client::new().optimistic();
//! let chain = Socks5Upstream::new(far)
//!     .client(quick.clone())
//!     .via(Socks5Upstream::new(near).client(quick));
//!
//! let target = TcpListener::bind("127.0.0.1:0").await?;
//! let address = Address::Ip(target.local_addr()?);
//! let mut stream = chain.clone().oneshot(address).await?;
//! target.accept().await?.0.write_all(b"220 hello").await?;
//! let mut heard = String::new();
//! stream.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "220 hello");
//!
//! // A server whose requests all go through that chain: CONNECT, BIND and UDP ASSOCIATE.
//! let connector = Connector::upstream(chain);
//! # _ = connector;
//! # Ok(())
//! # }
//! ```

mod associate;
mod bind;
mod candidates;
mod dns;
mod future;
#[cfg(feature = "http-connect")]
mod http;
mod ipv4_only;
mod listen;
mod open_socket;
mod outage;
mod proxy;
mod resolver;
mod socks4;
mod socks5;
mod transport;

pub(crate) use self::future::ResponseFuture;
#[cfg(feature = "http-connect")]
pub use self::http::{BasicAuth, HttpError, HttpUpstream, InvalidHeader};
#[cfg(feature = "proxy-url")]
pub(super) use self::open_socket::OpenSocket;
pub(super) use self::{associate::MakeUpstream, bind::UpstreamBind};
pub use self::{
    dns::{DnsMode, RemoteDns},
    resolver::UpstreamResolver,
    socks4::Socks4Upstream,
    socks5::Socks5Upstream,
    transport::Transport,
};
