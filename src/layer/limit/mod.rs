//! Limits on tunnels, requests and failed logins.
//!
//! | bounds | type | stands in | beyond the limit |
//! |---|---|---|---|
//! | open tunnels of a key | [`ConcurrentTunnels`] | [`LimitLayer`] | refused, or waits |
//! | requests of a key in a time | [`RequestRate`] | [`LimitLayer`] | refused, or waits |
//! | anything that a permit can stand for | a [`Limiter`] of yours | [`LimitLayer`] | refused, or waits |
//! | failed logins of a client, its site and a name | [`FailedLoginsLayer`] | itself, above [`AuthLayer`](crate::AuthLayer) | waits, or fails |
//!
//! Octets are limited by a [`MeterLayer`](super::meter::MeterLayer), live sessions by
//! [`Serve::sessions`](crate::server::Serve::sessions), and connections in the handshake by
//! [`Serve::handshakes`](crate::server::Serve::handshakes).
//!
//! * **By key.** A [key](super::key) is a function of the request: the user, the client's address or
//!   network, the target, all requests together, a closure. tower's `concurrency_limit` and
//!   `rate_limit` have one count for all, in which one user can take what another needs. Here a
//!   request that waits holds up nobody of another key.
//! * **From the dial to the end of the tunnel.** A permit rides in the tunnel and is given back when
//!   that ends or is dropped. One of tower's is given back at the reply.
//! * **Shared by clones**, and exact: a permit is counted where it is taken.
//! * **Refused with 02**, unless told otherwise. The log says once that a key has reached a limit, and
//!   once that it is below it again, at info; with the feature `metrics`, `socks_limit_events_total`
//!   counts both.
//! * **Bounded in memory.** An entry a key, which is forgotten with the key's last tunnel, or once it
//!   has expired. A request without a key, `None`, costs nothing and is not limited.
//!
//! Put what refuses above what meters, and both below [`AuthLayer`](crate::AuthLayer), where the
//! client has an identity.
//!
//! # Example
//!
//! ```
//! use std::num::NonZeroU32;
//! use tokio::net::TcpListener;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{
//!     Connector,
//!     Identity,
//!     Request,
//!     error::reply_code,
//!     layer::{
//!         key,
//!         limit::{ConcurrentTunnels, LimitLayer, RequestRate},
//!     },
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let tunnels = ConcurrentTunnels::new(2, key::user);
//! let ten = NonZeroU32::new(10).unwrap();
//! let service = ServiceBuilder::new()
//!     .layer(LimitLayer::new(RequestRate::per_second(ten, key::client)))
//!     .layer(LimitLayer::new(tunnels.clone()))
//!     .service(Connector::direct());
//!
//! let target = TcpListener::bind("127.0.0.1:0").await?;
//! let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
//! request.identity = Identity::named("joe");
//! let _first = service.clone().oneshot(request.clone()).await?;
//! let second = service.clone().oneshot(request.clone()).await?;
//!
//! let error = service.clone().oneshot(request.clone()).await.unwrap_err();
//! assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
//! assert_eq!(error.to_string(), "\"joe\" has 2 tunnels already");
//!
//! drop(second);
//! assert_eq!(tunnels.live(&"joe".into()), 1);
//! assert!(service.oneshot(request).await.is_ok());
//! # Ok(())
//! # }
//! ```

mod concurrent_tunnels;
mod failed_logins;
mod future;
mod layer;
mod levels;
mod limiter;
mod pace;
mod rate_store;
mod request_rate;
mod tunnel;
mod tunnel_store;

#[cfg(feature = "redis")]
pub(crate) use self::levels::Levels;
pub use self::{
    concurrent_tunnels::ConcurrentTunnels,
    failed_logins::{FailedLoginStore, FailedLogins, FailedLoginsLayer, LoginHistory, LoginKey},
    layer::{Limit, LimitLayer},
    limiter::Limiter,
    pace::Pace,
    rate_store::RateStore,
    request_rate::RequestRate,
    tunnel::LimitTunnel,
    tunnel_store::{Lease, TunnelStore},
};
pub use crate::session::Admission;
