//! SOCKS clients over any stream: RFC 1928 and RFC 1929 from the client's side, and SOCKS4.
//!
//! [`Client`] sends a request over a stream that you open: a TCP connection to the proxy, TLS on top of
//! one, a stream through another proxy. It does not dial, and it does not resolve: a name goes to the
//! proxy as a name. To resolve it here, resolve it first and pass the address.
//!
//! | request | method | returns |
//! |---|---|---|
//! | CONNECT | [`Client::connect`] | [`Connected`](crate::session::Connected), the stream itself |
//! | BIND | [`Client::bind`] | [`ProxyListener`], with both replies |
//! | UDP ASSOCIATE | [`Client::associate`] | [`ProxySocket`], which sends and receives datagrams |
//! | UDP over TCP | [`Client::udp_over_tcp`] | the same, whose datagrams travel in the stream |
//! | RESOLVE (Tor's) | [`Client::resolve`] | the address of a name |
//! | RESOLVE_PTR (Tor's) | [`Client::resolve_ptr`] | the name of an address |
//!
//! [`Socks4Client`] has the first two of them for proxies of SOCKS4 and SOCKS4a, and everything below is true of it
//! as well.
//!
//! * **Nothing is read ahead.** The stream that is returned is the one that you passed, without a
//!   wrapper. Bytes right behind the reply are its first, and a
//!   [`Relay`](crate::relay::Relay) can still `splice(2)` a TCP stream.
//! * **Few writes.** One for each message; with [`optimistic`](Client::optimistic), one for all.
//! * **Whose fault it was** is told apart: [`ClientError::fault`]. Reply codes are kept, unassigned ones
//!   too, and a server whose connector is a client of another proxy
//!   [passes them on](crate::error::reply_code).
//! * **Every request has a time limit.** One absolute [`timeout`](Client::timeout) bounds all messages.
//!   Receiving a datagram has none, like reading from a stream.
//! * **The proxy is not trusted.** A method that was not offered, a malformed reply or frame is an error, a
//!   datagram from elsewhere than its relay is dropped, and nothing is a panic.
//!
//! Authentication is [none or username/password](DefaultAuth), [GSS-API](Gssapi), or a [method of your own](ClientAuth).
//! [`Client::credentials`] takes [`proto::Credentials`](crate::proto::Credentials), the message of
//! RFC 1929. Verifiers, on the server's side, take
//! [`tower_socks::Credentials`](crate::Credentials), which know the client as well.
//!
//! # A stream to a target
//!
//! ```
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::{TcpListener, TcpSocket, TcpStream},
//! };
//! use tower_socks::{BoxError, Client, client::ClientFault, proto::{Address, ReplyCode}};
//! # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let stack = tower::ServiceBuilder::new()
//! #     .layer(HandshakeLayer::new())
//! #     .layer(AuthLayer::new(NoAuth))
//! #     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let proxy = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//! # let target = TcpListener::bind("127.0.0.1:0").await?;
//! # let port = target.local_addr()?.port();
//! let client = Client::new();
//! let stream = TcpStream::connect(proxy).await?;
//! let mut stream = client.connect(stream, ("localhost", port)).await?;
//!
//! let (mut accepted, peer) = target.accept().await?;
//! assert_eq!(stream.bound(), &Address::Ip(peer));
//! stream.write_all(b"ping").await?;
//! assert_eq!(accepted.read_u32().await?, u32::from_be_bytes(*b"ping"));
//!
//! // A port that is bound and no more: nobody listens there.
//! let closed = TcpSocket::new_v4()?;
//! closed.bind("127.0.0.1:0".parse()?)?;
//! let port = closed.local_addr()?.port();
//! let stream = TcpStream::connect(proxy).await?;
//! let error = client.connect(stream, ("127.0.0.1", port)).await.unwrap_err();
//! assert_eq!(error.fault(), ClientFault::Target(ReplyCode::CONNECTION_REFUSED));
//! assert_eq!(error.to_string(), "proxy replied: connection refused");
//! # Ok(())
//! # }
//! ```
//!
//! # A stream from a target
//!
//! ```
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::{TcpListener, TcpStream},
//! };
//! use tower_socks::{BoxError, Client, proto::{Address, Credentials}};
//! # #[cfg(feature = "users")]
//! # use tower_socks::{AuthLayer, Connector, HandshakeLayer, UserPass, Users, serve};
//! # #[cfg(not(feature = "users"))] fn main() {}
//!
//! # #[cfg(feature = "users")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let users: Users = [("joe", "secret")].into_iter().collect();
//! # let stack = tower::ServiceBuilder::new()
//! #     .layer(HandshakeLayer::new())
//! #     .layer(AuthLayer::new(UserPass::new(users)))
//! #     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let proxy = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//! let credentials = Credentials::new("joe", "secret").ok_or("longer than 255 octets")?;
//! let client = Client::new().credentials(credentials);
//!
//! // A peer on this host may connect to the proxy, once.
//! let stream = TcpStream::connect(proxy).await?;
//! let listener = client.bind(stream, "127.0.0.1:0").await?;
//! let bound = listener.bound().clone();
//!
//! // The peer learns of it by other means.
//! let mut peer = TcpStream::connect(bound.to_string()).await?;
//! peer.write_all(b"220 hello").await?;
//!
//! let (mut stream, address) = listener.accept().await?;
//! assert_eq!(address, Address::Ip(peer.local_addr()?));
//! let mut heard = [0; 9];
//! stream.read_exact(&mut heard).await?;
//! assert_eq!(&heard, b"220 hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Datagrams
//!
//! ```
//! use tokio::net::{TcpListener, TcpStream, UdpSocket};
//! use tower_socks::{BoxError, Client, proto::Address};
//! # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let stack = tower::ServiceBuilder::new()
//! #     .layer(HandshakeLayer::new())
//! #     .layer(AuthLayer::new(NoAuth))
//! #     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let proxy = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//! # let target = UdpSocket::bind("127.0.0.1:0").await?;
//! let stream = TcpStream::connect(proxy).await?;
//! let mut socket = Client::new().associate(stream).await?;
//!
//! let address = Address::Ip(target.local_addr()?);
//! assert_eq!(socket.max_payload(&address), 65_497);
//! socket.send_to(b"ping", &address).await?;
//!
//! let mut datagram = [0; 1500];
//! let (len, source) = target.recv_from(&mut datagram).await?;
//! target.send_to(&datagram[..len], source).await?;
//!
//! let (len, source) = socket.recv_from(&mut datagram).await?;
//! assert_eq!((&datagram[..len], source), (&b"ping"[..], address));
//! # Ok(())
//! # }
//! ```
//!
//! # Datagrams in the stream
//!
//! Where only TCP or TLS reaches the proxy, datagrams travel in the stream: the socket is the same, and needs no
//! port beside the proxy's. The proxy has to know UDP over TCP, as a server with a
//! [`UdpOverTcpLayer`](crate::layer::udp_over_tcp::UdpOverTcpLayer) does. Through a proxy that is asked otherwise,
//! [`ProxySocket::over_stream`] takes the stream that a connector has opened.
//!
//! ```
//! use tokio::net::{TcpListener, TcpStream, UdpSocket};
//! use tower_socks::{BoxError, Client, proto::Address};
//! # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};
//! # use tower_socks::layer::udp_over_tcp::UdpOverTcpLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let stack = tower::ServiceBuilder::new()
//! #     .layer(HandshakeLayer::new())
//! #     .layer(AuthLayer::new(NoAuth))
//! #     .layer(UdpOverTcpLayer::new())
//! #     .service(Connector::direct());
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let proxy = listener.local_addr()?;
//! # tokio::spawn(serve(listener, stack).into_future());
//! # let target = UdpSocket::bind("127.0.0.1:0").await?;
//! # let address = Address::Ip(target.local_addr()?);
//! # tokio::spawn(async move {
//! #     let mut datagram = [0; 1500];
//! #     while let Ok((len, source)) = target.recv_from(&mut datagram).await {
//! #         target.send_to(&datagram[..len], source).await.unwrap();
//! #     }
//! # });
//! let stream = TcpStream::connect(proxy).await?;
//! let mut socket = Client::new().udp_over_tcp(stream).await?;
//!
//! // To what echoes.
//! socket.send_to(b"ping", &address).await?;
//! let mut datagram = [0; 1500];
//! let (len, source) = socket.recv_from(&mut datagram).await?;
//! assert_eq!((&datagram[..len], &source), (&b"ping"[..], &address));
//!
//! // With one destination, frames have no addresses.
//! let stream = TcpStream::connect(proxy).await?;
//! let mut socket = Client::new().udp_over_tcp_to(stream, &address).await?;
//! socket.send_to(b"pong", &address).await?;
//! let (len, _) = socket.recv_from(&mut datagram).await?;
//! assert_eq!(&datagram[..len], b"pong");
//! assert!(socket.send_to(b"", "192.0.2.1:53").await.is_err());
//! # Ok(())
//! # }
//! ```

mod auth;
mod bnd;
#[expect(clippy::module_inception, reason = "the room is named after its type")]
mod client;
mod gssapi;
mod handshake;
mod listener;
mod reply;
mod socks4;
mod udp;

pub use crate::error::client::{ClientError, ClientFault};

pub use self::{
    auth::{ClientAuth, DefaultAuth},
    client::Client,
    gssapi::Gssapi,
    listener::ProxyListener,
    socks4::Socks4Client,
    udp::{ProxyReceiver, ProxySender, ProxySocket},
};
