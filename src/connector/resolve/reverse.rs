//! The names of addresses.

use std::{future::Future, net::IpAddr};

use futures_util::{FutureExt, TryFutureExt};
use tower::ServiceExt;
use tower_service::Service;

use super::turns::Key;
use crate::{
    error::BoxError,
    proto::DomainName,
    session::{Request, UserOrClient},
};

/// An address whose name is looked up, and for whom: the request that a [reverse resolver](ReverseResolve) gets.
///
/// ```
/// use tower_socks::connector::resolve::ReverseLookup;
///
/// let lookup = ReverseLookup::new([192, 0, 2, 7].into());
/// assert_eq!(lookup.pointer().as_str(), "7.2.0.192.in-addr.arpa");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReverseLookup {
    /// The address. It is never an IPv4-mapped IPv6 address, but the IPv4 address that is in it.
    pub address: IpAddr,
    /// The user, or the network of the anonymous client, that the lookup is for, as with a
    /// [`Lookup`](super::Lookup).
    pub client: Option<UserOrClient>,
}

impl ReverseLookup {
    /// Creates a lookup that no client asked for.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address: address.to_canonical(),
            client: None,
        }
    }

    /// Says for which client it is.
    #[must_use]
    pub fn for_client(mut self, client: UserOrClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Creates the lookup of an address for a request.
    pub(in crate::connector) fn of(address: IpAddr, request: &Request) -> Self {
        let client: Key = UserOrClient::of(request);
        Self {
            client,
            ..Self::new(address)
        }
    }

    /// Returns the name that stands for the address in the DNS, below `in-addr.arpa` (RFC 1035 section 3.5) or
    /// `ip6.arpa` (RFC 3596 section 2.5).
    #[must_use]
    pub fn pointer(&self) -> DomainName {
        DomainName::pointing_to(self.address)
    }
}

impl From<IpAddr> for ReverseLookup {
    fn from(address: IpAddr) -> Self {
        Self::new(address)
    }
}

/// A reverse resolver: a `Service<ReverseLookup>` whose response is a list of names, best first.
///
/// Every such service that can be cloned is one. [`Unsupported`](crate::connector::Unsupported), which stands for
/// none, refuses each lookup with 07.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reverse resolver",
    note = "a reverse resolver is a `Service<ReverseLookup>` that is `Clone`, whose `Response` is an \
            iterator of `DomainName`, and whose `Future` is `Send`"
)]
pub trait ReverseResolve: Clone + Send + 'static {
    /// Looks up the names of an address.
    fn names_of(
        self,
        lookup: ReverseLookup,
    ) -> impl Future<Output = Result<Vec<DomainName>, BoxError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<R> ReverseResolve for R
where
    R: Service<ReverseLookup> + Clone + Send + 'static,
    R::Response: IntoIterator<Item = DomainName>,
    R::Error: Into<BoxError>,
    R::Future: Send,
{
    fn names_of(
        self,
        lookup: ReverseLookup,
    ) -> impl Future<Output = Result<Vec<DomainName>, BoxError>> + Send {
        self.oneshot(lookup)
            .map_err(Into::into)
            .map(|answer| answer.map(|names| names.into_iter().collect()))
    }
}
