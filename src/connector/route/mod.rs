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
//!
//! # Requests without a destination
//!
//! UDP ASSOCIATE does not say where datagrams will go, and BIND may leave open who will come. A rule
//! that states a name, a network or a port cannot match such a request, and cannot be passed by
//! either. The request goes to the first service whose rule matches without a destination, or to the
//! rest, and from there to those destinations alone that would have been sent there. Datagrams to others,
//! and peers that are others, are refused like those that a [policy](crate::session::Policy) refuses:
//! with `[port 25 -> mail, user joe -> tor]` all of joe's datagrams go by `tor`, but none to port 25.
//! Rules that are to route all datagrams of a user state no destination, or stand first.
//!
//! A name is routed as a name, and not resolved for that: networks in `to` match addresses only. What a name leads to is
//! refused with [`Router::judge_addresses`] where a rule would have sent that address elsewhere.

mod policy;
mod service;

pub use self::service::Router;
