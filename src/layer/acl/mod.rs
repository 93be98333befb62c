//! Who may do what: a [`Policy`](crate::session::Policy) over requests and addresses.
//!
//! [`AclLayer`] asks its policy about each request as the client stated it, and answers 02 where it
//! says no. Then it puts the policy into the request's [`Guard`](crate::session::Guard), through
//! which connectors ask about each address that they are about to use. A name that the policy let
//! pass does not lead to an address that it would not.
//!
//! Several layers add up: an address has to please the policy of each.
//!
//! `Rules` (feature `rules`) are a policy that is written down, and [`SwapPolicy`] makes any policy one that
//! can be swapped while the server runs. A [`RecheckLayer`](recheck::RecheckLayer) closes the tunnels
//! that the new one would not have let pass.
//!
//! # Example
//!
//! ```
//! use std::net::SocketAddr;
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     AclLayer, Connector, Refusal, Request,
//!     error::reply_code,
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let no_loopback = |_: &Request, address: Option<SocketAddr>| match address {
//!     Some(address) if address.ip().is_loopback() => Err(Refusal::not_allowed("not in here")),
//!     _ => Ok(()),
//! };
//! let service = AclLayer::new(no_loopback).layer(Connector::direct());
//!
//! // The name is fine, but every address that it leads to is forbidden.
//! let target = Address::new("localhost", 80).unwrap();
//! let error = service.oneshot(Request::new(Command::CONNECT, target)).await.unwrap_err();
//! assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
//! # }
//! ```

mod future;
mod layer;
mod swap_policy;

pub mod recheck;

pub use self::{
    layer::{Acl, AclLayer},
    swap_policy::SwapPolicy,
};
