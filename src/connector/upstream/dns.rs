use std::{future::Future, net::IpAddr};

use crate::{
    connector::resolve::{Resolve, lookup},
    error::BoxError,
    proto::DomainName,
};

/// Who resolves the names of targets: [`ByProxy`], or any [`Resolve`] on this machine.
pub trait Naming: Clone + Send + 'static {
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
pub struct ByProxy;

impl Naming for ByProxy {
    const BY_PROXY: bool = true;

    async fn addresses(self, _: DomainName) -> Result<Vec<IpAddr>, BoxError> {
        Ok(Vec::new())
    }
}

impl<R: Resolve> Naming for R {
    const BY_PROXY: bool = false;

    fn addresses(
        self,
        name: DomainName,
    ) -> impl Future<Output = Result<Vec<IpAddr>, BoxError>> + Send {
        lookup(self, name)
    }
}
