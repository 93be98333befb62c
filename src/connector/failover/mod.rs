//! Failover and health checks: several alternatives, of which some may be down.
//!
//! * [`Failover`] sends each request to the first alternative that works.
//! * [`Health`] records whether one service is up or down, for a balancer of tower's: while it is down,
//!   it is not ready until it may be tried again.
//!
//! * [`Probes`] ask an alternative every so often, and [`Standing`] is what they and all others know of it.
//! * [`Balance`](super::balance::Balance) spreads requests over all that are up.
//!
//! Checks are passive: they are requests of clients, and nothing is sent for the sake of a check,
//! unless [`Probes`] or [`Failover::checks`] do. An upstream is down once it does not work for anybody: the proxy
//! could not be reached, spoke nonsense, or did not let us in. One that says nothing is down as well:
//! within its [share of the time](Failover::share), or until a `timeout` or an impatient client ended
//! the request after 2 s or more; unless it has answered another request meanwhile, since then the
//! target may be the silent one. A SOCKS5 proxy that has answered the greeting is not blamed for a client
//! that goes. Where a proxy breaks off at one request, the next alternative is
//! tried, and this one stays up. What it answers, be it a refusal, is the answer. [`Classify`] decides
//! which it is, by default from the errors of [upstreams](super::upstream). The log has a line when an
//! upstream goes down and when it is up again: a warning, unless the proxy itself has had one. One
//! that comes and goes has four of these lines, and one in 10 s; the others are at debug.
//!
//! **`Direct` as the last alternative** sends requests from your own address, past the rules, the log
//! and the names of the proxy, whenever that is down, silent or breaks off: and who can bring that
//! about decides when. It is for proxies that are a convenience. Leave it out where the proxy hides or
//! polices something: without another alternative, requests fail with the proxy.
//!
//! ```
//! use tower::ServiceExt;
//! use tower_socks::{
//!     Request, connector::{BoxConnector, failover::Failover, upstream::Socks5Upstream},
//!     proto::{Address, Command}, session::Connected,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let target = Address::Ip(target.local_addr()?);
//! // Nobody listens at the first; without the proxy is better than not at all.
//! let proxy: Address = "127.0.0.1:1".parse()?;
//! let failover = Failover::new([
//!     ("proxy", BoxConnector::new(Socks5Upstream::new(proxy))),
//!     ("direct", BoxConnector::new(tower_socks::connector::direct::Direct::new())),
//! ]);
//! let request = Request::new(Command::CONNECT, target);
//! assert!(failover.oneshot(request).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # With tower's balancer
//!
//! `tower::balance::p2c` takes two services at random and calls the one that is less busy. Put
//! [`Health`] around each of them, and a buffer in front of the balancer, so that sessions can share
//! it. While all of them are down, requests wait: tower's `timeout` above bounds that.
//!
//! ```
//! use tower::{
//!     balance::p2c::Balance, buffer::Buffer, discover::ServiceList,
//!     load::{CompleteOnResponse, PendingRequests},
//! };
//! use tower_socks::{
//!     Connector,
//!     Request,
//!     connector::{failover::Health, upstream::Socks5Upstream},
//!     proto::Address,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let proxies = ["192.0.2.1:1080", "192.0.2.2:1080"];
//! let upstreams = proxies.into_iter().map(|proxy| {
//!     let upstream = Socks5Upstream::new(proxy.parse::<Address>().unwrap());
//!     PendingRequests::new(Health::new(proxy, upstream), CompleteOnResponse::default())
//! });
//! let balance = Balance::new(ServiceList::new::<Request>(upstreams));
//! let connector = Connector::direct().with_connect(Buffer::<Request, _>::new(balance, 1024));
//! # _ = connector;
//! # Ok(())
//! # }
//! ```

mod asking;
mod attempt;
mod classify;
mod down;
mod health;
mod probes;
mod service;
mod standing;
mod trying;

pub use self::{
    classify::{Classify, FailureClass},
    health::Health,
    probes::Probes,
    service::Failover,
    standing::Standing,
};
pub(super) use self::{
    standing::InUse,
    trying::{Trying, up_first},
};
