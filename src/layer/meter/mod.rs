//! Limits on the octets of tunnels: bandwidth and quotas.
//!
//! | bounds | type | beyond the limit |
//! |---|---|---|
//! | octets a second in each direction, of a key or of each tunnel | [`Bandwidth`] | held back: the sender feels it |
//! | octets of a key in a period | [`ByteQuota`] | refused; open tunnels end |
//! | octets of a key in days and months of the calendar, kept in a file | [`CalendarQuota`] | refused; open tunnels end |
//! | whatever a [`Meter`](crate::io::Meter) can count | a [`MakeMeter`] of yours | as it says |
//!
//! [`MeterLayer`] makes a meter for each request and puts it on the tunnel, where it counts in both
//! directions: octets of TCP, and the payload of datagrams. tower has no counterpart, since its
//! services know of no bytes. What a tunnel may not move stays in the kernel, so no memory grows, and
//! a tunnel that is held back holds up no tunnel of another key.
//!
//! * **By key**, as the [limits](super::limit) are, and shared by clones.
//! * **Exact**: the relay asks before each read. Only a datagram, which is whole, may exceed a quota.
//! * **Refused with 02**, unless told otherwise, when a quota is used up. The log says once that a key
//!   has reached it, and once that there is some again, at info; bandwidth is logged at debug, as
//!   traffic comes in bursts. With the feature `metrics`, `socks_limit_events_total` counts both.
//! * **Cost.** A request without a key gets no meter. With one, bulk data still moves by `splice(2)`.
//!   [`Bandwidth`] keeps two buckets a key for as long as the key has tunnels or something to pay,
//!   [`MemoryStore`] a number a key until the period ends; both forget the keys with the least, where
//!   there are too many.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tokio::{io::AsyncWriteExt, net::TcpListener};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{
//!     Connector,
//!     Identity,
//!     Request,
//!     Tunnel,
//!     error::reply_code,
//!     io::PrefixedStream,
//!     layer::{
//!         key,
//!         meter::{Bandwidth, ByteQuota, MeterLayer},
//!     },
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! // Ten megabytes a second of downloads, and four octets a day.
//! let bandwidth = Bandwidth::new(key::user).down(10_000_000);
//! let quota = ByteQuota::new(4, Duration::from_secs(24 * 3600), key::user);
//! let service = ServiceBuilder::new()
//!     .layer(MeterLayer::new(quota.clone()))
//!     .layer(MeterLayer::new(bandwidth))
//!     .service(Connector::direct());
//!
//! let target = TcpListener::bind("127.0.0.1:0").await?;
//! let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
//! request.identity = Identity::named("joe");
//! let tunnel = service.clone().oneshot(request.clone()).await?;
//! let (mut client, server) = tokio::io::duplex(64);
//! let running = tokio::spawn(tunnel.run(PrefixedStream::new(server)));
//!
//! client.write_all(b"ping!").await?;
//! assert!(running.await?.is_err());
//! assert_eq!(quota.store().left(&"joe".into()), 0);
//!
//! let error = service.oneshot(request).await.unwrap_err();
//! assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
//! assert_eq!(error.to_string(), "\"joe\" has used its quota up");
//! # Ok(())
//! # }
//! ```

mod bandwidth;
mod buckets;
mod calendar;
mod future;
mod layer;
mod make_meter;
mod quota;
mod quota_store;
mod rates;
mod token_bucket;
mod tunnel;
mod turn;

#[cfg(feature = "redis")]
pub(crate) use self::calendar::Today;
pub use self::{
    bandwidth::Bandwidth,
    calendar::{CalendarQuota, CalendarStore, PeriodStore, Periods, QuotaKey, Quotas, UnknownZone},
    layer::MeterLayer,
    make_meter::MakeMeter,
    quota::ByteQuota,
    quota_store::{MemoryStore, QuotaStore},
    rates::Rates,
    tunnel::MeterTunnel,
};
pub use crate::session::Admission;
