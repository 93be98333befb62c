//! The server side of RFC 1928, from the greeting to the relay.
//!
//! [`HandshakeLayer`] turns a service that authenticates clients into one that serves accepted
//! connections. It alone knows the order of the messages:
//!
//! ```text
//! client                                                server
//!   |  version identifier / method selection    ->        |  one deadline
//!   |  <-  METHOD selection, sub-negotiation    <->       |  over these,  the wrapped service
//!   |  request                                  ->        |  10 s
//!   |                                                     |  executed by Authenticated::service
//!   |                                         <-  reply   |
//!   |  bytes                                  <-> bytes   |  Tunnel::run
//! ```
//!
//! SOCKS4 has a layer of its own beside it, [`layer::socks4`](crate::layer::socks4).
//!
//! * **The deadline is absolute.** Greeting, authentication and request share it, so a client that
//!   sends a byte at a time does not extend it. tower's [`Timeout`](tower::timeout::Timeout) above
//!   this layer means something else: the age of a whole session.
//! * **This is where errors become replies.** A service below fails with any error;
//!   [`error::reply_code`](crate::error::reply_code), or a function of yours, maps it to the reply
//!   code. After a failure reply comes a lingering close, so that the reply still arrives.
//! * **Readiness is asked after the client has spoken**, on a clone of the inner services. A slow
//!   client never holds a permit of theirs.
//! * **A client that is gone cancels its dial.** That takes a reset; a client may well send its
//!   request and FIN in one go.
//!
//! Each session has a span `session` with the fields `peer`, `protocol`, `user`, `command` and `target`, and
//! logs `session ended` with its `outcome`, `up`, `down` (octets) and `duration`, all of them under the
//! target `tower_socks::session`. The [fault](crate::error::Fault) sets the level: a session that
//! relayed is logged at info, and so is one that was refused, or whose target or upstream did not work. A
//! client that speaks no SOCKS, is too slow or leaves is logged at debug, and our own failure at warn.
//!
//! A client of another protocol is closed without an answer, and the line says what it
//! [looks like](crate::error::ForeignProtocol): HTTP, TLS, SOCKS4, SSH or a header of the PROXY protocol.
//! [`MixedLayer`](super::mixed::MixedLayer) has an answer for some of them.
//!
//! **Lines of failures are bounded**, for one layer's service and its clones; those that exceed it are at
//! debug, and counted. What was left out is said at most every 10 s, as the field `suppressed` of `more
//! sessions ended like those before`, once another session has ended or the service is dropped:
//!
//! | sessions that failed | lines at once, and then |
//! |---|---|
//! | of clients without a name, for each outcome and client network | 20, one a second |
//! | of all of those, for each outcome; at most 1,024 networks are told apart | 100, ten a second |
//! | of anybody, since an [upstream](crate::connector::upstream) is down | 5, one in 10 s |
//! | of anybody, by our own failure, for each step and error code of the system | 1, one in 10 s |
//! | of clients with a name, otherwise | each |
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, session::Accepted};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stack = HandshakeLayer::new()
//!     .deadline(std::time::Duration::from_secs(5))
//!     .layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
//!
//! let (mut client, server) = tokio::io::duplex(512);
//! let nowhere = ([127, 0, 0, 1], 0).into();
//! let session = tokio::spawn(stack.oneshot(Accepted::new(server, nowhere, nowhere)));
//!
//! // A greeting, and a command that does not exist.
//! client.write_all(b"\x05\x01\x00").await.unwrap();
//! client.write_all(b"\x05\x09\x00\x01\x7f\x00\x00\x01\x00\x50").await.unwrap();
//! client.shutdown().await.unwrap();
//!
//! let mut answer = Vec::new();
//! client.read_to_end(&mut answer).await.unwrap();
//! assert_eq!(answer, b"\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00");
//! assert!(session.await.unwrap().is_err());
//! # }
//! ```

mod connection;
mod future;
mod layer;

pub(crate) use self::connection::serve;
pub use self::layer::{Handshake, HandshakeLayer};
