use std::{future::Future, net::IpAddr};

use crate::{
    connector::resolve::{Resolve, lookup},
    error::BoxError,
    proto::DomainName,
};

/// Who resolves the names of targets: [`RemoteDns`], or any [`Resolve`] on this machine.
pub trait DnsMode: Clone + Send + 'static {
    /// Whether names are handed to the proxy.
    #[doc(hidden)]
    const BY_PROXY: bool;

    /// The addresses of a name; none, if the proxy is to find them.
    #[doc(hidden)]
    fn addresses(
        self,
        name: DomainName,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send;
}

/// Names are handed to the proxy, which resolves them: what URLs call `socks5h`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteDns;

impl DnsMode for RemoteDns {
    const BY_PROXY: bool = true;

    async fn addresses(self, _: DomainName) -> Result<Vec<IpAddr>, BoxError> {
        Ok(Vec::new())
    }
}

impl<R: Resolve> DnsMode for R {
    const BY_PROXY: bool = false;

    fn addresses(
        self,
        name: DomainName,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send {
        lookup(self, name)
    }
}
