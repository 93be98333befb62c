//! Several protocols on one port.
//!
//! [`MixedLayer`] looks at the first octet that a client sends, and gives the connection to the protocol that
//! begins with it. It stands in the place of [`HandshakeLayer`](crate::HandshakeLayer), over one
//! [`AuthLayer`](crate::AuthLayer) and one stack: users, limits, rules and logs are those of all protocols.
//! Each protocol is served only if its layer is given, so that a list in a configuration needs no other type:
//!
//! | first octet | protocol | where it is not served |
//! |---|---|---|
//! | 05 | [`socks5`](MixedLayer::socks5) | `05 FF`, no acceptable methods |
//! | 04 | [`socks4`](MixedLayer::socks4): SOCKS4 and SOCKS4a | `00 5B` and six octets, request rejected |
//! | `A` to `Z` | `http`: HTTP, with the feature `http-server` | status 501 and a short text, which says what is served |
//! | any other | none | closed without an answer |
//!
//! * **One deadline.** The first octet, the handshake and everything before, as a header of the PROXY
//!   protocol or TLS, share it. Which protocol will come is not known before: a client that says nothing has
//!   the longest deadline of those that are served.
//! * **The octet stays.** It is read into the [`PrefixedStream`](crate::io::PrefixedStream) that the protocol
//!   reads from, in the same system call as what follows it. Nothing is wrapped or allocated again, and an idle
//!   tunnel costs what it costs without this layer.
//! * **A protocol that is not served** ends the session at the step `Greeting`, with an error that says what the
//!   client [looks like](crate::error::ForeignProtocol). It is logged at debug, and counted as
//!   `socks_foreign_connections_total`. An octet alone can be a guess: a header of the PROXY protocol and a client of SSH
//!   begin with a capital letter as well, and are told from HTTP where more of them comes along with it.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     AuthLayer, Connector, HandshakeLayer, NoAuth, SessionError,
//!     error::{ForeignProtocol, Step},
//!     layer::{mixed::MixedLayer, socks4::Socks4Layer},
//!     session::Accepted,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stack = MixedLayer::new()
//!     .socks5(HandshakeLayer::new())
//!     .socks4(Socks4Layer::new())
//!     .layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
//!
//! // A browser that was told that this is an HTTP proxy.
//! let (mut client, server) = tokio::io::duplex(512);
//! let nowhere = ([127, 0, 0, 1], 0).into();
//! let session = tokio::spawn(stack.oneshot(Accepted::new(server, nowhere, nowhere)));
//! client.write_all(b"GET http://example.com/ HTTP/1.1\r\n\r\n").await.unwrap();
//! client.shutdown().await.unwrap();
//!
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await.unwrap();
//! assert!(answer.starts_with("HTTP/1.1 501 Not Implemented\r\n"));
//!
//! let error = session.await.unwrap().unwrap_err();
//! let error = error.downcast::<SessionError>().unwrap();
//! assert_eq!(error.step(), Step::Greeting);
//! let source = std::error::Error::source(&*error).unwrap();
//! assert_eq!(source.downcast_ref(), Some(&ForeignProtocol::Http));
//! # }
//! ```

mod connection;
mod future;
mod layer;
mod protocols;

pub use self::{
    future::ResponseFuture,
    layer::{Mixed, MixedLayer},
};
