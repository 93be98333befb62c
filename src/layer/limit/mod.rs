//! Limits: how many tunnels, requests, bytes and failed logins.
//!
//! | what is bounded | by | stands in | beyond the limit |
//! |---|---|---|---|
//! | live tunnels of a key | [`ConcurrentTunnels`] | [`LimitLayer`] | refused, or waits |
//! | new requests of a key in a time | [`RequestRate`] | [`LimitLayer`] | refused, or waits |
//! | bytes a second of a key, or of each tunnel, each way | [`Bandwidth`] | [`MeterLayer`] | held back: the sender feels it |
//! | bytes of a key in a period | [`ByteQuota`] | [`MeterLayer`] | refused; open tunnels break off |
//! | failed logins of an address | [`FailedLoginsLayer`] | itself, above `AuthLayer` | made to wait, then closed |
//! | connections of an address in the handshake | [`Serve::unauthenticated_per_client`](crate::server::Serve::unauthenticated_per_client) | the server | closed |
//!
//! * **By whatever you like.** A [key] is a function of the request: the user, the client's
//!   address or network, the target, everyone together, a closure.
//! * **Shared by clones**, and exact: permits are counted where they are taken, and bytes before they
//!   move.
//! * **Held for as long as it takes.** A permit rides in the tunnel and is free again when that ends,
//!   however it ends.
//! * **A refusal is 02**, unless told otherwise. The log says once who has reached what, and once when
//!   there is room again (bandwidth and sessions at debug, the others at info); with the feature
//!   `metrics`, `socks_limit_events_total` counts both.
//! * **One user's limit is no other's.** Whoever waits for a permit or for bytes waits alone.
//! * **Nothing grows without bound.** Keys are forgotten with their last tunnel, or once they are as
//!   good as new.
//! * **No limit, no cost.** A key of `None` leaves a tunnel as it is, and bulk data moves by
//!   `splice(2)` with a meter as well.
//!
//! The order matters: put what refuses above what meters, and both below
//! [`AuthLayer`](crate::AuthLayer), where the client has a name. Limits of your own are a
//! [`Limiter`] or a [`MakeMeter`].
//!
//! # Example
//!
//! ```
//! use std::{num::NonZeroU32, time::Duration};
//! use tokio::net::TcpListener;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{
//!     Connector,
//!     Identity,
//!     Request,
//!     error::reply_code,
//!     layer::{
//!         key,
//!         limit::{LimitLayer, RequestRate, ConcurrentTunnels},
//!         meter::{Bandwidth, ByteQuota, MeterLayer},
//!     },
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let tunnels = ConcurrentTunnels::new(2, key::user);
//! let often = RequestRate::per_second(NonZeroU32::MIN.saturating_add(9), key::client);
//! let slow = Bandwidth::new(key::user).down(10_000_000);
//! let daily = ByteQuota::new(50_000_000_000, Duration::from_secs(24 * 3600), key::user);
//! let service = ServiceBuilder::new()
//!     .layer(LimitLayer::new(often))
//!     .layer(LimitLayer::new(tunnels.clone()))
//!     .layer(MeterLayer::new(slow))
//!     .layer(MeterLayer::new(daily))
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

mod clock;
mod concurrent_tunnels;
mod failed_logins;
mod future;
mod layer;
mod limiter;
mod request_rate;
mod tunnel;

pub use self::{
    concurrent_tunnels::ConcurrentTunnels,
    failed_logins::{FailedLogins, FailedLoginsLayer},
    layer::{Limit, LimitLayer},
    limiter::{Admission, Limiter},
    request_rate::RequestRate,
    tunnel::LimitTunnel,
};
