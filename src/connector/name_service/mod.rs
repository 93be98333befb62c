//! RESOLVE and RESOLVE_PTR: tells a client the address of a name, or the name of an address.
//!
//! They are an extension of Tor's, X'F0' and X'F1' (socks-extensions.txt section 2). Programs that have to look
//! names up before they connect, and must not ask the name servers of their own network, ask the proxy:
//! `torsocks` and `tor-resolve` do. The reply has what was found as BND, with port 0, and the connection ends.
//!
//! [`Connector`](crate::Connector) refuses both with 07, unless a [`NameService`] is put
//! [in](crate::Connector::with_resolve).
//!
//! * **Nothing is told that the client may not reach.** The policies are asked about the request as it is stated,
//!   and then about each address that is found, as if it were to be dialled: only one that they approve of is
//!   told. So the addresses of an internal network, which [`Rules`](crate::rules) refuse by default, stay hidden,
//!   whatever name leads there.
//! * **A name that has forbidden addresses only is refused with 02**, and one without any is 04, as CONNECT has
//!   it: a client can tell by either that there is such a name. Where that matters a rule refuses the name, or the
//!   command, before anything is looked up.
//! * **RESOLVE tells one address**: the first IPv4 address that is approved, since many programs can read no
//!   other, or an IPv6 one where there is none. [`ipv6_first`](NameService::ipv6_first) reverses that. A client of
//!   SOCKS4a is told an IPv4 address or nothing.
//! * **An address in place of a name** is told to the client again, once the policies approve of it.
//! * **RESOLVE_PTR needs a [reverse resolver](NameService::reverse_resolver)**, and is 07 otherwise. The policies
//!   are asked about the address, and then whether a request for the name that was found could lead there.
//!   What is no name of a host is not told, and that it leads back to the address is not verified.
//! * **The port means nothing**: a handshake makes it 0, whatever the client states, so that no rule about ports
//!   matches.
//! * **Lookups are bounded** as those of all other commands are: they have [turns](super::resolve#shares), a
//!   [time limit](NameService::timeout), count as requests for limits, and end once the client is gone. A
//!   name below `onion` is refused.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use tower::ServiceExt;
//! use tower_socks::{
//!     BoxError, Connector, Request, Tunnel,
//!     connector::{name_service::NameService, resolve::Lookup},
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let hosts = tower::service_fn(async |lookup: Lookup| match lookup.name.as_str() {
//!     "printer.example" => Ok(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))]),
//!     _ => Err(BoxError::from("no such host")),
//! });
//! let connector = Connector::direct().with_resolve(NameService::new().resolver(hosts));
//!
//! let request = Request::new(Command::RESOLVE, Address::new("printer.example", 0)?);
//! let tunnel = connector.clone().oneshot(request).await?;
//! assert_eq!(tunnel.bound().to_string(), "192.0.2.7:0");
//!
//! let request = Request::new(Command::RESOLVE, Address::new("nowhere.example", 0)?);
//! let error = connector.oneshot(request).await.unwrap_err();
//! assert_eq!(tower_socks::error::reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
//! # Ok(())
//! # }
//! ```
//!
//! Lookups by another proxy, such as Tor, are those of its
//! [`UpstreamResolver`](super::upstream::UpstreamResolver): what it says is judged all the same.
//!
//! ```
//! use tower_socks::{
//!     Connector,
//!     connector::{name_service::NameService, upstream::Socks5Upstream},
//! };
//!
//! let tor = Socks5Upstream::new("127.0.0.1:9050");
//! let by_tor = tor.clone().into_resolver();
//! let names = NameService::new().resolver(by_tor.clone()).reverse_resolver(by_tor);
//! let connector = Connector::upstream(tor).with_resolve(names);
//! # _ = connector;
//! ```

mod future;
mod service;
mod tunnel;

pub use self::{future::ResponseFuture, service::NameService, tunnel::NameServiceTunnel};
