//! Resolvers: services from names to addresses.
//!
//! A resolver is a tower service from a [`Lookup`], a name and for whom, to addresses: see [`Resolve`]. A reverse
//! resolver is one from a [`ReverseLookup`], an address and for whom, to names: see [`ReverseResolve`].
//!
//! | resolver | names | addresses |
//! |---|---|---|
//! | [`SystemResolver`] | by `getaddrinfo(3)` | by `getnameinfo(3)`, with the feature `reverse-dns` |
//! | `HickoryResolver` (feature `hickory`) | asks name servers itself | the same |
//! | [`UpstreamResolver`](super::upstream::UpstreamResolver) | RESOLVE, by a SOCKS5 proxy | RESOLVE_PTR |
//!
//! # Shares
//!
//! All of them bound what lookups cost, names and addresses together, and no client hurts another:
//!
//! * **Turns.** So many lookups run at once. A user, or the network of an anonymous client, takes a further turn
//!   only while it has less than a quarter of those that are free, so that one is left for the next, however
//!   many lookups hang; its first turn needs no more than a free one. Those that wait are served in turn, first
//!   come, first served within one client; at most 512 of one client wait, and none longer than 5 s: 06
//!   then, by `limit lookups`, which is also the name of the event when a client has to wait.
//! * **One lookup for each name** at a time: all who ask for it wait for the same answer, for at most
//!   15 s from its start.
//! * **Failures are remembered** for 5 s, those of 1,024 names.
//! * **Whose fault** an error is, [`LookupError`](crate::error::LookupError) says. That name servers do not
//!   answer at all is logged once, at warn, and once more when they do again.
//!
mod health;
#[cfg(feature = "hickory")]
mod hickory;
mod hosts;
mod known;
mod lookup;
#[cfg(feature = "reverse-dns")]
mod name_info;
#[cfg(feature = "hickory")]
mod name_servers;
#[cfg(feature = "hickory")]
mod resolv_conf;
mod reverse;
mod shared;
mod special;
mod system;
mod turns;

use std::{fmt, future::Future, net::IpAddr};

use futures_util::{FutureExt, TryFutureExt};
use tower::ServiceExt;
use tower_service::Service;

#[cfg(feature = "hickory")]
pub use self::{hickory::HickoryResolver, name_servers::NameServers};
pub(super) use self::{
    known::{Answer, Asked, Question, Source},
    shared::{Ask, SharedLookups},
};
pub use self::{
    lookup::Lookup,
    reverse::{ReverseLookup, ReverseResolve},
    system::SystemResolver,
};
use crate::{
    error::{BoxError, Refusal, is_exhausted, own_reply_code},
    proto::{DomainName, ReplyCode},
};

/// A resolver: a `Service<Lookup>` whose response is a list of addresses, best first.
///
/// Every such service that can be cloned is one, and nothing else can be.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use tower_socks::{BoxError, connector::{direct::Direct, resolve::Lookup}};
///
/// // A resolver that knows one name.
/// let hosts = tower::service_fn(async |lookup: Lookup| match lookup.name.as_str() {
///     "printer" => Ok(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))]),
///     _ => Err(BoxError::from("no such host")),
/// });
/// let direct = Direct::new().resolver(hosts);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resolver",
    note = "a resolver is a `Service<Lookup>` that is `Clone`, whose `Response` is an \
            iterator of `IpAddr`, and whose `Future` is `Send`"
)]
pub trait Resolve: Clone + Send + 'static {
    /// Looks up a name.
    fn resolve(self, lookup: Lookup) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<R> Resolve for R
where
    R: Service<Lookup> + Clone + Send + 'static,
    R::Response: IntoIterator<Item = IpAddr>,
    R::Error: Into<BoxError>,
    R::Future: Send,
{
    fn resolve(self, lookup: Lookup) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send {
        self.oneshot(lookup)
            .map_err(Into::into)
            .map(|answer| answer.map(|addresses| addresses.into_iter().collect()))
    }
}

/// Looks up a name that has to have an address.
///
/// # Errors
///
/// A [`Refusal`] with 04 for a name that cannot be resolved, or the resolver's own error, if that has a reply
/// code.
pub(super) async fn addresses_of<R: Resolve>(
    resolver: R,
    lookup: Lookup,
) -> Result<Vec<IpAddr>, BoxError> {
    let name = lookup.name.clone();
    match resolver.resolve(lookup).await {
        Ok(addresses) if addresses.is_empty() => Err(Refusal::new(
            ReplyCode::HOST_UNREACHABLE,
            format!("{name} has no address"),
        )
        .into()),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(unresolved(&name, error)),
    }
}

/// Looks up the names of an address that has to have one.
///
/// # Errors
///
/// Those of [`addresses_of`].
pub(super) async fn names_of<R: ReverseResolve>(
    resolver: R,
    lookup: ReverseLookup,
) -> Result<Vec<DomainName>, BoxError> {
    let address = lookup.address;
    match resolver.names_of(lookup).await {
        Ok(names) if names.is_empty() => Err(Refusal::new(
            ReplyCode::HOST_UNREACHABLE,
            format!("{address} has no name"),
        )
        .into()),
        Ok(names) => Ok(names),
        Err(error) => Err(unresolved(&address, error)),
    }
}

/// Gives the error of a resolver a reply code, unless it has one: it may choose the reply itself.
fn unresolved(what: &dyn fmt::Display, error: BoxError) -> BoxError {
    if own_reply_code(&*error).is_some() {
        return error;
    }
    // Without descriptors nothing is known of the name.
    let code = match is_exhausted(&*error) {
        true => ReplyCode::GENERAL_FAILURE,
        false => ReplyCode::HOST_UNREACHABLE,
    };
    let refusal = Refusal::new(code, format!("{what} could not be resolved"));
    refusal.with_source(error).into()
}
