//! Resolvers: services from names to addresses.
//!
//! A resolver is a tower service from a [`DomainName`] to addresses: see [`Resolve`].

#[cfg(feature = "hickory")]
mod hickory;
mod hosts;
mod special;
mod system;

use std::{future::Future, net::IpAddr};

use futures_util::{FutureExt, TryFutureExt};
use tower::ServiceExt;
use tower_service::Service;

#[cfg(feature = "hickory")]
pub use self::hickory::HickoryResolver;
pub use self::system::SystemResolver;
use crate::{
    error::{BoxError, Refusal, own_reply_code},
    proto::{DomainName, ReplyCode},
};

/// A resolver: a `Service<DomainName>` whose response is a list of addresses, best first.
///
/// Every such service that can be cloned is one, and nothing else can be.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use tower_socks::{BoxError, connector::direct::Direct, proto::DomainName};
///
/// // A resolver that knows one name.
/// let hosts = tower::service_fn(async |name: DomainName| match name.as_str() {
///     "printer" => Ok(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))]),
///     _ => Err(BoxError::from("no such host")),
/// });
/// let direct = Direct::new().resolver(hosts);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resolver",
    note = "a resolver is a `Service<DomainName>` that is `Clone`, whose `Response` is an \
            iterator of `IpAddr`, and whose `Future` is `Send`"
)]
pub trait Resolve: Clone + Send + 'static {
    /// Looks up a name.
    fn resolve(
        self,
        name: DomainName,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<R> Resolve for R
where
    R: Service<DomainName> + Clone + Send + 'static,
    R::Response: IntoIterator<Item = IpAddr>,
    R::Error: Into<BoxError>,
    R::Future: Send,
{
    fn resolve(
        self,
        name: DomainName,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send {
        self.oneshot(name)
            .map_err(Into::into)
            .map(|answer| answer.map(|addresses| addresses.into_iter().collect()))
    }
}

/// Looks up a name that has to have an address.
///
/// # Errors
///
/// A [`Refusal`] with 04 for a name that cannot be resolved, or the resolver's own refusal.
pub(super) async fn lookup<R: Resolve>(
    resolver: R,
    name: DomainName,
) -> Result<Vec<IpAddr>, BoxError> {
    match resolver.resolve(name.clone()).await {
        Ok(addresses) if addresses.is_empty() => Err(Refusal::new(
            ReplyCode::HOST_UNREACHABLE,
            format!("{name} has no address"),
        )
        .into()),
        Ok(addresses) => Ok(addresses),
        // A resolver may choose the reply itself.
        Err(error) if own_reply_code(&*error).is_some() => Err(error),
        Err(error) => Err(Refusal::new(
            ReplyCode::HOST_UNREACHABLE,
            format!("{name} could not be resolved"),
        )
        .with_source(error)
        .into()),
    }
}
