//! Closing of open tunnels that a new policy refuses.
//!
//! A policy is asked before a tunnel opens. [`RecheckLayer`] asks the policy of a [`SwapPolicy`] about open
//! tunnels as well, at each [`SwapPolicy::recheck`], and when it [changes by
//! the clock](crate::session::Policy::next_change), as rules with hours do, within a second: what it was asked before, about
//! the request and about what was used for it, as the connector has recorded that: the
//! [address](crate::Request::reached) that was dialled, or the [name](crate::Request::handed_on) that
//! an upstream resolved. A tunnel that is refused is closed, and the log says why. An association is
//! checked as a whole; the destinations of its datagrams, names for an upstream too, are decided by
//! the new policy in any case.
//!
//! It goes right above [`AclLayer`](crate::AclLayer), so that no recheck is missed in between. It
//! changes the type of the response, to a [`RecheckTunnel`]. It costs some hundred bytes for each tunnel, most of
//! them a copy of the request, and a call of the policy for each tunnel and recheck; under a policy that looks at the clock also a
//! timer, and a call every 15 minutes at least.
//!
//! # Example
//!
//! ```
//! use tokio::{io::AsyncReadExt, net::TcpListener};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{
//!     AclLayer,
//!     Connector,
//!     Refusal,
//!     Request,
//!     Tunnel,
//!     io::PrefixedStream,
//!     layer::acl::{SwapPolicy, recheck::RecheckLayer},
//!     proto::{Address, Command},
//!     session::Check,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! type Judge = fn(&Request, Check) -> Result<(), Refusal>;
//! let policy = SwapPolicy::new((|_, _| Ok(())) as Judge);
//! let service = ServiceBuilder::new()
//!     .layer(RecheckLayer::new(policy.clone()))
//!     .layer(AclLayer::new(policy.clone()))
//!     .service(Connector::direct());
//!
//! let target = TcpListener::bind("127.0.0.1:0").await?;
//! let request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
//! let tunnel = service.oneshot(request).await?;
//! let (mut client, server) = tokio::io::duplex(64);
//! let running = tokio::spawn(tunnel.run(PrefixedStream::new(server)));
//!
//! policy.swap(|_, _| Err(Refusal::not_allowed("closed for today")));
//! policy.recheck();
//!
//! assert_eq!(client.read(&mut [0]).await?, 0);
//! let error = running.await?.unwrap_err();
//! let refusal = std::error::Error::source(&error).unwrap();
//! assert_eq!(refusal.to_string(), "closed for today");
//! # Ok(())
//! # }
//! ```
//!
//! [`SwapPolicy`]: crate::layer::acl::SwapPolicy
//! [`SwapPolicy::recheck`]: crate::layer::acl::SwapPolicy::recheck

mod future;
mod layer;
mod tunnel;
mod watch;

use super::SwapPolicy;

pub use self::{
    layer::{Recheck, RecheckLayer},
    tunnel::RecheckTunnel,
};
