//! The server side of SOCKS4 and SOCKS4a: a request and its reply, beside SOCKS5 and over the same stack.
//!
//! [`Socks4Layer`] turns a service that authenticates clients into one that serves accepted connections. The client
//! says all at once, and there is one reply, or two for BIND:
//!
//! ```text
//! client                                                server
//!   |  04 CD DSTPORT DSTIP USERID 00 [NAME 00]  ->        |  one deadline,
//!   |                                                     |  the wrapped service: who is it?
//!   |                                                     |  executed by Authenticated::service
//!   |                       <-  00 5A DSTPORT DSTIP       |  5B: refused or failed
//!   |  bytes                                   <-> bytes  |  Tunnel::run
//! ```
//!
//! Everything below is that of SOCKS5: [`AuthLayer`](crate::AuthLayer), policies, limits, lists, metrics and
//! connectors. A service that cares finds the protocol in [`Request::protocol`](crate::Request::protocol).
//!
//! * **USERID is a claim** and proves nothing. [`NoAuth`](crate::NoAuth) takes every client, whatever it claims.
//!   [`UserPass`](crate::UserPass) takes none, so that a server with passwords refuses SOCKS4, unless an
//!   [`AcceptUserId`](crate::layer::auth::AcceptUserId) beside it accepts the claim.
//! * **Commands** are CONNECT, BIND and Tor's [`RESOLVE`](crate::proto::Command::RESOLVE), where the connector
//!   executes it. There is no UDP.
//! * **Addresses are IPv4.** A name (SOCKS4a) may lead to an IPv6 target all the same; its reply has zeros in place of an
//!   IPv6 address. Names are brought into their one form, and judged, as those of SOCKS5 are.
//! * **One code for all failures**: 5B. The log, traces and metrics have the true reason. After a failure comes a
//!   lingering close. 5C and 5D, of servers that ask an identd, are never sent.
//! * **USERID and NAME have 255 octets at most**, and their ends, a NUL each, have to come within the deadline.
//!
//! Spans, log lines and their bounds are those of the [handshake](crate::layer::handshake), with the protocol
//! `socks4`.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{AuthLayer, Connector, NoAuth, layer::socks4::Socks4Layer, session::Accepted};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! # let port = target.local_addr().unwrap().port().to_be_bytes();
//! let stack = Socks4Layer::new()
//!     .reply_bound(false)
//!     .layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
//!
//! let (mut client, server) = tokio::io::duplex(512);
//! let nowhere = ([127, 0, 0, 1], 0).into();
//! tokio::spawn(stack.oneshot(Accepted::new(server, nowhere, nowhere)));
//!
//! // CONNECT to a name, which is an address here, at the port of a target.
//! let request = [b"\x04\x01", &port[..], b"\0\0\0\x01joe\0127.1\0"].concat();
//! client.write_all(&request).await.unwrap();
//! let mut reply = [0; 8];
//! client.read_exact(&mut reply).await.unwrap();
//! assert_eq!(&reply, b"\x00\x5a\0\0\0\0\0\0");
//! # }
//! ```

mod connection;
mod future;
mod layer;

pub(crate) use self::connection::serve;
pub use self::layer::{Socks4, Socks4Layer};
