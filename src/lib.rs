//! SOCKS and HTTP proxies composed from tower services.
//!
//! ```text
//! async fn(Request) -> Result<Tunnel, Refusal>
//! ```
//!
//! A request of SOCKS5, SOCKS4 or HTTP goes in, a tunnel comes out, and everything between is a
//! [`tower::Service`](tower_service::Service).
//!
//! ```no_run
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//! use tower::ServiceBuilder;
//! use tower_socks::{
//!     AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, UserPass, serve, server::SessionLimit,
//! };
//! # #[cfg(all(feature = "rules", feature = "users"))]
//! use tower_socks::{Rules, Users};
//! # #[cfg(not(all(feature = "rules", feature = "users")))] fn main() {}
//!
//! # #[cfg(all(feature = "rules", feature = "users"))]
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let users: Users = [("joe", "secret")].into_iter().collect();
//!     let stack = ServiceBuilder::new()
//!         .layer(HandshakeLayer::new().deadline(Duration::from_secs(10))) // RFC 1928
//!         .layer(AuthLayer::new(UserPass::new(users))) // RFC 1929: the client becomes an Identity
//!         .timeout(Duration::from_secs(30)) // tower's own: the dial, never the relay
//!         .layer(AclLayer::new(Rules::default())) // public addresses only, whatever the DNS says
//!         .service(Connector::direct()); // CONNECT, BIND, UDP ASSOCIATE
//!     let listener = TcpListener::bind("127.0.0.1:1080").await?;
//!     let sessions = SessionLimit::new(10_000); // of these a quarter for each client, and for each user
//!     serve(listener, stack).sessions(sessions).await
//! }
//! ```
//!
//! # Where tower's middleware goes
//!
//! The phases of a session run one after the other; they do not nest. So what a layer of tower's
//! means depends on where it stands, and it means what it says:
//!
//! | place | what flows there | tower's middleware there means |
//! |---|---|---|
//! | above [`HandshakeLayer`] | [`Accepted<Io>`](crate::session::Accepted) to [`Traffic`] | `timeout`: the age of a session; [PROXY headers](layer::proxy_protocol) and TLS (feature `tls`) are layers here too |
//! | between [`HandshakeLayer`] and [`AuthLayer`] | [`Negotiation<Io>`](session::Negotiation) to [`Authenticated<W, S>`](session::Authenticated) | `timeout`: authentication; `concurrency_limit`: verifications in flight |
//! | below [`AuthLayer`] | [`Request`] to `impl` [`Tunnel`] | `timeout`: the dial, reply 06; `concurrency_limit`: dials in flight; `retry`, `buffer`, `balance`, `steer` and `filter` all work, since a [`Request`] is `Clone`; `rate_limit` is not `Clone`: `.buffer(n)` goes right above it |
//! | inside [`Connector`] | [`Request`], one command each | per command, or per hop |
//!
//! Live sessions are bounded by [`Serve::sessions`](server::Serve::sessions), with a share for each client
//! and user: tower's `concurrency_limit` has none, and would keep a permit for each idle listener.
//!
//! A permit of tower's `concurrency_limit` below [`AuthLayer`] is free again at the reply. To hold
//! something for as long as bytes flow, wrap the [`Tunnel`]: [`TunnelExt::hold`] does.
//!
//! Above [`AuthLayer`] an error closes the connection; below it an error becomes a
//! [reply code](error). A stack in the wrong order does not compile, and the compiler says what is
//! missing where.
//!
//! # One front door
//!
//! Clients of other protocols than SOCKS5 end in the same services: one authentication, one policy, one set of limits, one log.
//!
//! | layer | clients |
//! |---|---|
//! | [`HandshakeLayer`] | SOCKS5 |
//! | [`Socks4Layer`](layer::socks4::Socks4Layer) | SOCKS4 and SOCKS4a |
//! | `HttpLayer` (feature `http-server`) | HTTP: CONNECT, and requests for a whole URL |
//! | [`MixedLayer`](layer::mixed::MixedLayer) | several of them on one port |
//! | [`ProxyProtocolLayer`](layer::proxy_protocol::ProxyProtocolLayer), above these | behind a load balancer |
//! | `TlsLayer` (feature `tls`), above these | inside TLS |
//! | [`UdpOverTcpLayer`](layer::udp_over_tcp::UdpOverTcpLayer), right below [`AuthLayer`] | of each of them those whose datagrams travel in the stream |
//!
//! # Guides
//!
//! * [A layer of your own](guide::own_layer), as a closure, as a limiter, as a type.
//! * [Testing](guide::testing) without a network.
//! * [Before the dial](guide::before_the_dial): a PROXY header, the name in a TLS handshake.
//! * [Connectors elsewhere](guide::elsewhere): hyper-util, tonic, WebSockets, databases, QUIC.
//!
//! What a stack is usually written with is at the root. Everything else has one path, in the module
//! of its subject.
//!
//! # Cancel safety
//!
//! Dropping a future ends its phase and releases what it held, at once:
//!
//! | dropped | what happens |
//! |---|---|
//! | [`serve`]'s future | the listener is closed, all sessions are dropped |
//! | a session ([`Handshake`](crate::layer::handshake::Handshake)'s future) | the client's connection is closed, and a dial or tunnel with it |
//! | a negotiation ([`Auth`](crate::layer::auth::Auth)'s future) | the client's connection is closed |
//! | the future of an upstream connector ([`upstream`](connector::upstream)) | the connection to the proxy is closed |
//! | a dial ([`Direct`](crate::connector::direct::Direct)'s future) | its sockets are closed; a lookup of the [`SystemResolver`](crate::connector::resolve::SystemResolver) runs on in its thread, and its answer is dropped |
//! | [`Tunnel::run`], [`Relay::run`](relay::Relay::run) | both streams are closed, bytes in flight are lost |
//! | the tunnel of BIND or UDP ASSOCIATE | its listener or its sockets are closed as well |
//! | a request of a [`Client`], [`ProxyListener::accept`](client::ProxyListener::accept) | the stream to the proxy is closed |
//! | [`ProxySocket::send_to`](client::ProxySocket::send_to) | the datagram is not sent, or goes with the next where a stream had taken a part; what is left of a [batch](client::ProxySocket::send_batch) goes with the next |
//! | [`ProxySocket::recv_from`](client::ProxySocket::recv_from) | nothing: a datagram is not lost |
//! | [`Listener::accept`](crate::server::Listener::accept) | nothing: a connection is not lost |
//! | reading a message ([`io`]) | the bytes that were read are lost |
//!
//! A client that half-closes while its request is executed does not cancel it. One that resets the
//! connection does, unless it has half-closed: then the reset is found at the reply. Of a client that has
//! sent more than 1 KiB ahead it is found within a second.
//!
//! # Limits in time
//!
//! | what | default | set by |
//! |---|---|---|
//! | a TLS handshake, from the accept; with a server, from the connect | 10 s | `TlsLayer::deadline`, `TlsConnector::handshake_timeout` |
//! | a PROXY header, from when the connection is served | 10 s | [`ProxyProtocolLayer::deadline`](layer::proxy_protocol::ProxyProtocolLayer::deadline) |
//! | greeting, authentication and request together | 10 s | [`HandshakeLayer::deadline`], [`Socks4Layer::deadline`](layer::socks4::Socks4Layer::deadline) |
//! | a dial: names and all attempts | 20 s | [`Direct::connect_timeout`](crate::connector::direct::Direct::connect_timeout) |
//! | writing a reply | 5 s | |
//! | closing after a failure | 2 s | |
//! | a tunnel without traffic | 2 h 4 min | [`Relay::idle_timeout`](relay::Relay::idle_timeout) |
//! | a half-closed tunnel without traffic | 4 min | [`Relay::half_close_timeout`](relay::Relay::half_close_timeout) |
//! | the peer of a BIND to come | 2 min | [`Bind::accept_timeout`](crate::connector::bind::Bind::accept_timeout) |
//! | an association without datagrams of its client | 5 min | [`Associate::idle_timeout`](crate::connector::associate::Associate::idle_timeout) |
//! | datagrams of a client of UDP over TCP that has closed, while a transport or meter holds them back | 5 s; behind more than 1 KiB of them the end is not seen, and the association's limit holds | |
//! | silence until another port of the client's address takes an association over | 30 s | [`Associate::rebind_after`](crate::connector::associate::Associate::rebind_after) |
//! | a connection that waits for a session to end | 5 s | [`SessionLimit::queue`](server::SessionLimit::queue) |
//! | a lookup that waits for its turn, and for an answer | 5 s, 15 s | |
//! | an idle peer that has vanished | 2 min | [`Keepalive`](io::Keepalive) |
//! | fragments of a datagram to be complete | 5 s | |
//! | a name as the destination of a datagram | 5 s | |
//! | a request of a client to a proxy, from the first write to the end of the reply | 30 s | [`Client::timeout`] |
//! | the peer of a client's BIND to come | 3 min | [`Client::accept_timeout`] |
//! | an upstream: to reach it, and then its reply | 30 s each | [`Client::timeout`], `HttpUpstream::timeout` |
//! | an alternative of a `Failover`, but the last, that says nothing | 10 s | [`Failover::share`](connector::failover::Failover::share) |
//! | an alternative that was down is not tried | 1 s, then twice as long each time, up to 1 min | |
//! | an attempt to log in: after failures, and until there are verdicts on others | 4 s, 6 s | `FailedLoginsLayer::longest_delay` |
//! | a blocking verification, for its turn | 8 s | [`BlockingVerifier::patience`](layer::auth::BlockingVerifier::patience) |
//! | a request that waits at a limit | none waits | `ConcurrentTunnels::wait`, `RequestRate::wait` |
//! | sessions after the signal to stop | 30 s | [`Serve::drain_limit`](server::Serve::drain_limit) |
//!
//! # Stability
//!
//! Before 1.0 a minor version may break anything, and the changelog shows the code before and
//! after. Some modules are more likely to change than others:
//!
//! | module | | moves with |
//! |---|---|---|
//! | [`proto`], [`error`], [`relay`] | near 1.0 | the RFCs |
//! | [`session`], [`server`] | near 1.0 | tower, tokio |
//! | [`layer`]: handshake, auth, acl, trace, track | near 1.0 | tower; tracing in trace |
//! | [`layer`]: limit, meter, request_fn | may change | |
//! | [`layer`]: http, mixed, proxy_protocol, socks4, tls | may change | hyper in http, rustls in tls |
//! | [`io`], [`datagram`] | may change: what streams and datagrams of your own implement | tokio |
//! | [`client`] | near 1.0 | tokio |
//! | [`connector`]: direct, bind, associate, upstream | near 1.0 | tower |
//! | [`connector`]: failover, route | may change | `rules` in route |
//! | `rules` | near 1.0, its file format too: new conditions may come | jiff's time zones |
//! | features `http`, `hickory`, `metrics` | with their crates: a new major version of http, hyper, hickory-resolver or metrics is a breaking change of the feature alone | those crates |
//! | feature `tls` | may change, and with rustls | rustls |
//! | features `http-connect`, `proxy-url`, `remember`, `users` | near 1.0 | |
//!
//! Log lines and the names of metrics count as public. The log targets `tower_socks` and
//! `tower_socks::session`, that of the sessions' lines, are stable: others behind it, as in `tower_socks::layer`, are not. Types of dependencies
//! outside a feature are those of tokio, tower, tracing and serde. The minimum Rust version rises
//! in minor versions only.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `rules` | yes | `Rules`, a policy that is written down in TOML or JSON, safe by default |
//! | `users` | yes | `Users`, names and passwords in memory, compared in constant time |
//! | `remember` | no | `RememberLayer`: what a verifier has said is remembered for a short time |
//! | `limit` | no | limits on tunnels, requests, bandwidth, bytes and failed logins |
//! | `metrics` | no | sessions, requests, dials, tunnels and bytes through the `metrics` facade |
//! | `http` | no | `http::Uri` is a target and [`Connected`](crate::session::Connected) a stream of hyper's: connectors fit hyper-util's client and tonic as they are |
//! | `http-connect` | no | `HttpUpstream`, through HTTP proxies by CONNECT |
//! | `proxy-url` | no | `ProxyUrl`, `ALL_PROXY` and `NO_PROXY`; with `http-connect` |
//! | `http-server` | no | `HttpLayer`, clients of HTTP proxies, by hyper |
//! | `tls` | no | `TlsLayer` for clients, and `TlsConnector` to proxies: rustls with ring; `https` and `socks5s` in `ProxyUrl` |
//! | `ldap` | no | `Ldap`, a verifier that asks a directory |
//! | `postgres` | no | `PostgresLayer`, which asks a database for the hash of a password |
//! | `redis` | no | `RedisTunnels`, `RedisRates` and more: limits, and users, that several proxies share |
//! | `radius` | no | `Radius`, a verifier that asks RADIUS, and `Accounting`, which tells it what users move |
//! | `http-auth` | no | `HttpCallOut`, a verifier that asks a service of one's own by HTTP |
//! | `hickory` | no | `HickoryResolver`, a resolver that needs no threads |
//! | `gssapi` | no | `gssapi::kerberos`: Kerberos by the library of the system, which has to be there, and libclang to build |
//! | `reverse-dns` | no | `SystemResolver` finds names of addresses too, for RESOLVE_PTR |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod opaque_future;

mod admission;
pub mod client;
pub mod connector;
pub mod datagram;
pub mod error;
pub mod gssapi;
pub mod guide;
pub mod io;
pub mod layer;
pub mod proto;
#[cfg(feature = "redis")]
pub mod redis;
pub mod relay;
#[cfg(feature = "rules")]
pub mod rules;
pub mod server;
pub mod session;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "users")]
pub use self::layer::auth::Users;
#[cfg(feature = "rules")]
pub use self::rules::Rules;
#[doc(inline)]
pub use self::{
    client::{Client, ClientError},
    connector::Connector,
    error::{BoxError, Refusal, SessionError},
    layer::{
        acl::AclLayer,
        auth::{AuthLayer, NoAuth, UserPass},
        handshake::HandshakeLayer,
    },
    relay::Traffic,
    server::serve,
    session::{Credentials, Identity, Request, Tunnel, TunnelExt},
};

/// The code of the README compiles as well.
#[cfg(all(doctest, feature = "rules", feature = "users"))]
#[doc = include_str!("../README.md")]
struct Readme;
