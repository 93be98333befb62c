use std::{future::Future, net::IpAddr};

use crate::{
    connector::resolve::{Lookup, Resolve, addresses_of},
    error::BoxError,
};

/// Sets where the names of targets are resolved: by the proxy ([`RemoteDns`]), or here by any
/// [`Resolve`]. The trait is sealed.
pub trait DnsMode: Clone + Send + 'static {
    /// Whether names are sent to the proxy.
    #[doc(hidden)]
    const REMOTE: bool;

    /// Resolves a name; to no address, if the proxy resolves it.
    #[doc(hidden)]
    fn addresses(
        self,
        lookup: Lookup,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send;
}

/// Sends names to the proxy, which resolves them: remote DNS, `socks5h` in URLs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteDns;

impl DnsMode for RemoteDns {
    const REMOTE: bool = true;

    async fn addresses(self, _: Lookup) -> Result<Vec<IpAddr>, BoxError> {
        Ok(Vec::new())
    }
}

impl<R: Resolve> DnsMode for R {
    const REMOTE: bool = false;

    fn addresses(
        self,
        lookup: Lookup,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send {
        addresses_of(self, lookup)
    }
}
