//! Connectors: services that execute CONNECT, BIND and UDP ASSOCIATE.
//!
//! [`Connector`] stands at the bottom of a stack and dispatches by command. Each command has a
//! service of its own that can be replaced, by one of this crate or by any `Service<Request>` whose
//! response is a [`Tunnel`](crate::Tunnel):
//!
//! | command | [`Connector::direct`] | replaced by |
//! |---|---|---|
//! | CONNECT | [`Direct`](direct::Direct) | [`with_connect`](Connector::with_connect) |
//! | BIND | [`Bind`](bind::Bind) | [`with_bind`](Connector::with_bind) |
//! | UDP ASSOCIATE | [`Associate`](associate::Associate) | [`with_associate`](Connector::with_associate) |
//! | these three, through another proxy | | [`Connector::upstream`], or each by itself: [`upstream`] |
//! | RESOLVE, RESOLVE_PTR | reply 07 | [`with_resolve`](Connector::with_resolve): a [`NameService`](name_service::NameService) |
//! | any other | reply 07 | a service of yours in place of the `Connector` |
//!
//! [`Unsupported`] in the place of a command refuses it with 07.
//!
//! Those for CONNECT are useful without a proxy server too: they take any
//! [`Target`](crate::session::Target), and their response is a plain stream. With the feature `http`,
//! `http::Uri` is a target, and hyper's client and tonic take these connectors as they are.
//!
//! ```
//! use tower::ServiceExt;
//! use tower_socks::{Connector, Request, proto::{Address, Command}, session::Connected};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // Every CONNECT reaches an echo in memory.
//! let echo = tower::service_fn(async |_: Request| {
//!     let (near, far) = tokio::io::duplex(1024);
//!     tokio::spawn(async move {
//!         let (mut read, mut write) = tokio::io::split(far);
//!         tokio::io::copy(&mut read, &mut write).await
//!     });
//!     Ok::<_, std::convert::Infallible>(Connected::new(near, Address::UNSPECIFIED))
//! });
//! let connector = Connector::direct().with_connect(echo);
//!
//! let request = Request::new(Command::CONNECT, Address::new("example.com", 7).unwrap());
//! assert!(connector.oneshot(request).await.is_ok());
//! # }
//! ```

mod advertise;
mod announcement;
mod box_connector;
mod future;
#[cfg(feature = "http")]
mod hyper;
mod out_of_reach;
mod outgoing;
mod port_range;
mod second_reply;
mod service;
mod tunnel;
mod unsupported;

pub mod associate;
pub mod balance;
pub mod bind;
pub mod direct;
pub mod failover;
pub mod name_service;
#[cfg(feature = "proxy-url")]
pub mod proxy_url;
pub mod resolve;
#[cfg(feature = "rules")]
pub mod route;
#[cfg(feature = "tls")]
pub mod tls;
pub mod upstream;

pub use self::{
    announcement::Announcement,
    box_connector::BoxConnector,
    outgoing::{Family, Outgoing},
    port_range::PortRange,
    service::Connector,
    unsupported::Unsupported,
};
