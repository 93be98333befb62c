//! An HTTP proxy: CONNECT, and requests for a whole URL (RFC 9110, RFC 9112).
//!
//! [`HttpLayer`] turns a service that authenticates clients into one that serves accepted connections of HTTP
//! clients: browsers, package managers, whatever reads `http_proxy`. The services below are those of
//! SOCKS5, and see a [`Request`](crate::Request) whose [`protocol`](crate::Request::protocol) is
//! [`Http`](crate::session::Protocol::Http):
//!
//! | a client sends | below is asked for |
//! |---|---|
//! | `CONNECT host:port` | a tunnel, which has the connection from then on. 200 comes after the dial |
//! | `GET http://host/path`, or any other method | a tunnel to the origin for this one request, so that rules, limits, quotas and metrics see each. The client's connection is kept for the next one |
//! | anything else | nobody; a short page says what this is |
//!
//! * **Names and passwords** come by `Proxy-Authorization: Basic` (RFC 7617) and go to the same
//!   [`AuthLayer`](crate::AuthLayer), verifier and limit on failed logins. 407 keeps the connection unless there is a body that
//!   nobody has read. What was right is not asked about again on the same connection for a minute.
//! * **Errors become statuses** by the table of [reply codes](crate::error), and `Proxy-Status` (RFC 9209) says of which
//!   kind they are. Neither repeats anything of the request.
//!
//! | error | status |
//! |---|---|
//! | 02 not allowed | 403 |
//! | a [`Refusal`](crate::Refusal) by a limit (its [rule](crate::Refusal::rule) begins with `limit`), too many logins | 429 |
//! | 03 to 05, 08, and 01 of an upstream | 502 |
//! | 06 | 504 |
//! | 01 of our own | 500 |
//! | 07 | 501 |
//!
//! * **A message is read in one manner or not at all.** A gate in front of hyper refuses heads and chunks that somebody
//!   else could read differently (a length beside `Transfer-Encoding`, two lengths, folded lines, CR or LF alone, NUL): 400, and the
//!   connection ends. Responses of that kind are 502. `Host` is made from the URL, `Connection` and what it lists,
//!   `Proxy-*`, `TE` and `Upgrade` stay here, `Via` is added, and a request that comes back is 502.
//! * **Bodies stream**, with buffers of 64 KiB and 32 KiB at most in each direction between the two ends. Interim responses and trailers come through, and
//!   `Upgrade` once both sides agree. A response that breaks off ends in a reset of the client's connection.
//! * **Deadlines.** The first request of an authenticated client is complete 10 s after the accept, whatever comes before
//!   it. A connection waits 60 s for the next request; its head has 10 s. While a response is awaited the limits of the tunnel
//!   hold. A client that takes nothing of a response is left after the idle limit.
//! * **A client that is gone cancels its dial**, if that is a reset; its end alone is a half-close.
//! * **What it costs.** Of CONNECT nothing stays once the tunnel is open: its stream is the socket's, and is spliced. Until
//!   then a connection has the buffers of hyper, once its first head is complete, and up to 32 KiB for a head.
//!
//! A tunnel has the span and the line `session ended` that sessions have. Each forwarded request has a span `request`
//! with `method`, `user` and `target` and a line `request ended` with the same fields as a session's; its connection has a
//! line at debug.
//!
//! What it does not do: origins are not kept for the next request, since each has to pass the layers below; HTTP/2 towards
//! clients; TRACE.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{AuthLayer, Connector, NoAuth, layer::http::HttpLayer, session::Accepted};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stack = ServiceBuilder::new()
//!     .layer(HttpLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//!     .service(Connector::direct());
//!
//! let (mut client, server) = tokio::io::duplex(1024);
//! let nowhere = ([127, 0, 0, 1], 0).into();
//! let session = tokio::spawn(stack.oneshot(Accepted::new(server, nowhere, nowhere)));
//!
//! // A browser that takes the proxy for a web server.
//! client.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n\r\n").await.unwrap();
//! client.shutdown().await.unwrap();
//!
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await.unwrap();
//! assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
//! assert!(answer.contains("This is a proxy, and not a web server"));
//! assert!(session.await.unwrap().is_err());
//! # }
//! ```

mod authenticate;
mod authorization;
mod body;
mod chunks;
mod client;
mod config;
mod connect;
mod connection;
mod continues;
mod conversation;
mod exchange;
mod fields;
mod forward;
mod future;
mod gate;
mod gate_watch;
mod gate_writes;
mod head;
mod incoming;
mod layer;
mod notes;
mod outgoing;
mod page;
mod pipe;
mod problem;
mod session;
mod status;
mod target;
mod tell;
mod tunnel;

pub(crate) use self::connection::serve;
pub use self::layer::{Http, HttpLayer};
