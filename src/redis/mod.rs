//! Limits that several proxies share, by counts in Redis or Valkey.
//!
//! | bounds | store | for |
//! |---|---|---|
//! | open tunnels of a key | [`RedisTunnels`] | [`ConcurrentTunnels::with_store`](crate::layer::limit::ConcurrentTunnels::with_store) |
//! | requests of a key in a time | [`RedisRates`] | [`RequestRate::with_store`](crate::layer::limit::RequestRate::with_store) |
//! | bytes of a key in days and months | [`RedisQuotas`] | [`CalendarQuota::new`](crate::layer::meter::CalendarQuota::new) |
//! | bytes a second of a key | [`RedisBandwidth`] | [`MeterLayer`](crate::layer::meter::MeterLayer) |
//! | failed logins | [`RedisFailedLogins`] | [`FailedLoginsLayer::with_store`](crate::layer::limit::FailedLoginsLayer::with_store) |
//!
//! [Accounts](users) of users are there as well.
//!
//! [`Redis`] is the connection that they share. Each process is a node with a random name of its own: what a node holds is
//! written down under that name and expires by Redis's clock, unless the node renews it. So a process that crashes
//! gives everything back after a [lease](RedisBuilder::lease), and one that comes back after it was cut off writes what it
//! holds, not what has changed: nothing counts twice.
//!
//! * **One round trip.** A request asks once for each limit. Two limits in a pair, `(rate, tunnels)`, ask at once, and so do
//!   all requests of the process, over one connection.
//! * **Bounded waits.** Nothing waits for Redis longer than the [timeout](RedisBuilder::timeout), 250 ms. After three failures
//!   in a row nothing asks any more, until Redis answers again; the log says both once.
//! * **Away.** What a limit does meanwhile is said for each: see [`WhileAway`].
//!
//! # Example
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{
//!     Connector, Identity, Request,
//!     layer::{
//!         key,
//!         limit::{ConcurrentTunnels, LimitLayer, Pace, RequestRate},
//!     },
//!     proto::{Address, Command},
//!     redis::{Redis, RedisRates, RedisTunnels},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! # let url = "redis://127.0.0.1:1";
//! let redis = Redis::builder(url)?.prefix("proxies").build()?;
//! let rate = RequestRate::by_request(Pace::per_minute(100), key::user);
//! let tunnels = ConcurrentTunnels::new(2, key::user);
//! let service = ServiceBuilder::new()
//!     .layer(LimitLayer::new((
//!         rate.with_store(RedisRates::new(&redis, "users")),
//!         tunnels.with_store(RedisTunnels::new(&redis, "users")),
//!     )))
//!     .service(Connector::direct());
//!
//! let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
//! request.identity = Identity::named("joe");
//! let first = service.clone().oneshot(request.clone()).await?;
//! let second = service.clone().oneshot(request.clone()).await?;
//! // Also where Redis is away, as it is here.
//! let error = service.oneshot(request).await.unwrap_err();
//! assert_eq!(error.to_string(), "\"joe\" has 2 tunnels already");
//! # drop((first, second));
//! redis.leave().await;
//! # Ok(())
//! # }
//! ```
//!
//! Keys are `PREFIX:KIND:NAME:{KEY}`, with the key of the limit as a hash tag: in a cluster all that belongs to one key
//! is in one place, and no script has two keys.

mod account;
mod accounts;
mod bandwidth;
mod breaker;
mod connection;
mod days;
mod failed_logins;
mod forget;
mod held;
mod keeper;
mod kept;
mod nodes;
mod pool;
mod quota_limiter;
mod quotas;
mod rates;
mod scripts;
mod shared;
mod statement;
mod tunnel_counts;
mod tunnels;
mod untold;
pub mod users;
mod vain;
mod while_away;

pub use self::{
    bandwidth::RedisBandwidth,
    connection::{InvalidRedisUrl, Redis, RedisBuilder},
    failed_logins::RedisFailedLogins,
    nodes::{LONGEST_NOTE, NodeQuestion, NodeText, RedisNodes, Unheard},
    quota_limiter::QuotaLimiter,
    quotas::RedisQuotas,
    rates::RedisRates,
    tunnels::RedisTunnels,
    while_away::WhileAway,
};
