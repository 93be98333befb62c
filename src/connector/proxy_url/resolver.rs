use super::{ProxyTransport, ProxyUrl};
use crate::connector::{
    direct::Direct,
    upstream::{Socks5Upstream, Transport, UpstreamResolver},
};

impl ProxyUrl {
    /// Makes a resolver that asks the proxy, which has to know RESOLVE and RESOLVE_PTR as Tor does; it is dialled
    /// from this machine. `None` for a proxy of another protocol than SOCKS5.
    #[must_use]
    pub fn resolver(&self) -> Option<UpstreamResolver<ProxyTransport>> {
        self.resolver_via(Direct::new())
    }

    /// Makes a resolver that asks the proxy, as [`resolver`](Self::resolver) does; it is reached by `transport`.
    #[must_use]
    pub fn resolver_via<C: Transport + Sync>(
        &self,
        transport: C,
    ) -> Option<UpstreamResolver<ProxyTransport<C>>> {
        let upstream = Socks5Upstream::new(self.address().clone()).client(self.client()?);
        let transport = self.transport_via(transport);
        Some(upstream.via(transport).into_resolver())
    }
}
