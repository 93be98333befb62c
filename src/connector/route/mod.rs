//! Routing: rules choose the service that executes a request.
//!
//! [`Router`] asks [`RuleMap`](crate::rules::RuleMap) which service a request goes to: by name,
//! port, user, group, client, command, time, whatever a [`Rule`](crate::rules::Rule) can state.
//! Where none applies it takes the one that is there for the rest.
//!
//! ```
//! use tower::ServiceExt;
//! use tower_socks::{
//!     Connector, Request,
//!     connector::{BoxConnector, direct::Direct, route::Router, upstream::Socks5Upstream},
//!     proto::{Address, Command}, rules::{Action, Destination, Rule},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let target = Address::Ip(target.local_addr()?);
//! let tor: Address = "127.0.0.1:9050".parse()?;
//! let onion = Rule::new(Action::Allow).to("*.onion".parse::<Destination>()?);
//! let router = Router::new(
//!     [(onion, BoxConnector::new(Socks5Upstream::new(tor)))],
//!     BoxConnector::new(Direct::new()),
//! );
//!
//! let request = Request::new(Command::CONNECT, target);
//! assert!(router.clone().oneshot(request).await.is_ok());
//!
//! // In a server, for CONNECT.
//! let connector = Connector::direct().with_connect(router);
//! # _ = connector;
//! # Ok(())
//! # }
//! ```
//!
//! For BIND and UDP ASSOCIATE as well, route between whole connectors, with their tunnels in a
//! [`BoxTunnel`](crate::session::BoxTunnel).

mod service;

pub use self::service::Router;
