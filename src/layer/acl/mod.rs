//! Access control: a [`Policy`](crate::session::Policy) on requests and addresses.
//!
//! [`AclLayer`] asks its policy about each request as the client stated it, and fails with the policy's
//! [`Refusal`](crate::Refusal), reply code 02, where it refuses. Then it puts the policy into the
//! request's [`Guard`](crate::session::Guard), through which connectors ask about each address that
//! they are about to use. So a name that is allowed does not lead to an address that is not, whatever
//! the name resolves to a moment later. tower's `filter` sees the request alone.
//!
//! Several layers add up: each policy has to allow an address. A request costs a call of the policy
//! and a reference count, and no allocation unless there is a second policy.
//!
//! `Rules` (feature `rules`) is a policy that is written down, and [`SwapPolicy`] a policy that can be
//! replaced while the server runs. A [`RecheckLayer`](recheck::RecheckLayer) closes the tunnels that
//! the new policy refuses.
//!
//! # Example
//!
//! ```
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     AclLayer, Connector, Refusal, Request,
//!     error::reply_code,
//!     proto::{Address, Command, ReplyCode},
//!     session::Check,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let no_loopback = |_: &Request, check: Check| match check {
//!     Check::Address(address) if address.ip().is_loopback() => {
//!         Err(Refusal::not_allowed("not in here"))
//!     }
//!     Check::Stated | Check::Address(_) => Ok(()),
//!     // Only asked where an upstream resolves the name.
//!     Check::Name => Err(Refusal::not_allowed("its addresses are not known here")),
//! };
//! let service = AclLayer::new(no_loopback).layer(Connector::direct());
//!
//! // The name is fine, but every address that it leads to is forbidden.
//! let target = Address::new("localhost", 80).unwrap();
//! let error = service.oneshot(Request::new(Command::CONNECT, target)).await.unwrap_err();
//! assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
//! # }
//! ```

mod layer;
mod rounds;
mod swap_policy;

pub mod recheck;

pub use self::{
    layer::{Acl, AclLayer},
    swap_policy::SwapPolicy,
};
