use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{future::ResponseFuture, transport::ProxyTransport};
use crate::{
    client::{DefaultAuth, ProxySocket},
    connector::{
        direct::Direct,
        resolve::SystemResolver,
        upstream::{
            HttpUpstream, MakeUpstream, OpenSocket, RemoteDns, Socks4Upstream, Socks5Upstream,
            Transport,
        },
    },
    error::BoxError,
    io::BoxStream,
    proto::UdpOverTcp,
    session::{Connected, Request, Target},
};

/// Connects through the proxy of a [`ProxyUrl`](super::ProxyUrl). Returned by
/// [`ProxyUrl::connector`](super::ProxyUrl::connector).
///
/// `C` is the transport to the proxy. The stream is boxed, since it may be inside TLS; without it, a
/// [`Relay`](crate::relay::Relay) moves bulk data by `splice(2)` as ever.
#[derive(Clone)]
pub struct ProxyConnector<C = Direct>(Upstream<ProxyTransport<C>>);

#[derive(Clone, Debug)]
enum Upstream<C> {
    /// `socks5h`: the proxy resolves names.
    Socks5h(Socks5Upstream<C, DefaultAuth, RemoteDns>),
    /// `socks5`: names are resolved here.
    Socks5(Socks5Upstream<C, DefaultAuth, SystemResolver>),
    /// `socks4a`: the proxy resolves names.
    Socks4a(Socks4Upstream<C, RemoteDns>),
    /// `socks4`: names are resolved here.
    Socks4(Socks4Upstream<C, SystemResolver>),
    /// `http`: CONNECT, and the proxy resolves names.
    Http(HttpUpstream<C>),
}

impl<C> ProxyConnector<C> {
    pub(super) const fn socks5h(upstream: Socks5Upstream<ProxyTransport<C>>) -> Self {
        Self(Upstream::Socks5h(upstream))
    }

    pub(super) const fn socks5(
        upstream: Socks5Upstream<ProxyTransport<C>, DefaultAuth, SystemResolver>,
    ) -> Self {
        Self(Upstream::Socks5(upstream))
    }

    pub(super) const fn socks4a(upstream: Socks4Upstream<ProxyTransport<C>>) -> Self {
        Self(Upstream::Socks4a(upstream))
    }

    pub(super) const fn socks4(
        upstream: Socks4Upstream<ProxyTransport<C>, SystemResolver>,
    ) -> Self {
        Self(Upstream::Socks4(upstream))
    }

    pub(super) const fn http(upstream: HttpUpstream<ProxyTransport<C>>) -> Self {
        Self(Upstream::Http(upstream))
    }

    /// Sets the protocol by which [datagrams](Self::into_transports) go to the proxy in the stream: in place of
    /// UDP ASSOCIATE at a SOCKS5 proxy, and of version 2 at any other.
    #[must_use]
    pub fn udp_over_tcp(self, protocol: UdpOverTcp) -> Self {
        Self(match self.0 {
            Upstream::Socks5h(upstream) => Upstream::Socks5h(upstream.udp_over_tcp(protocol)),
            Upstream::Socks5(upstream) => Upstream::Socks5(upstream.udp_over_tcp(protocol)),
            Upstream::Socks4a(upstream) => Upstream::Socks4a(upstream.udp_over_tcp(protocol)),
            Upstream::Socks4(upstream) => Upstream::Socks4(upstream.udp_over_tcp(protocol)),
            Upstream::Http(upstream) => Upstream::Http(upstream.udp_over_tcp(protocol)),
        })
    }

    /// Turns this into datagrams by the same proxy: by UDP ASSOCIATE at a SOCKS5 proxy, unless
    /// [set otherwise](Self::udp_over_tcp), and in the stream at any other. A service for
    /// [`Associate::with_transports`](crate::connector::associate::Associate::with_transports).
    #[must_use]
    pub const fn into_transports(self) -> MakeUpstream<Self> {
        MakeUpstream::new(self)
    }
}

impl<C: Transport + Sync> OpenSocket for ProxyConnector<C> {
    type Io = BoxStream;

    fn resolves_names(&self) -> bool {
        match &self.0 {
            Upstream::Socks5h(upstream) => upstream.resolves_names(),
            Upstream::Socks5(upstream) => upstream.resolves_names(),
            Upstream::Socks4a(upstream) => upstream.resolves_names(),
            Upstream::Socks4(upstream) => upstream.resolves_names(),
            Upstream::Http(upstream) => upstream.resolves_names(),
        }
    }

    async fn open_socket(&self, request: &Request) -> Result<ProxySocket<BoxStream>, BoxError> {
        match &self.0 {
            Upstream::Socks5h(upstream) => upstream.open_socket(request).await,
            Upstream::Socks5(upstream) => upstream.open_socket(request).await,
            Upstream::Socks4a(upstream) => upstream.open_socket(request).await,
            Upstream::Socks4(upstream) => upstream.open_socket(request).await,
            Upstream::Http(upstream) => upstream.open_socket(request).await,
        }
    }
}

impl<C, T> Service<T> for ProxyConnector<C>
where
    C: Transport + Sync,
    T: Target + Sync,
{
    type Response = Connected<BoxStream>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // Each of them is ready at all times.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        ResponseFuture::upstream(match &mut self.0 {
            Upstream::Socks5h(upstream) => upstream.call(target),
            Upstream::Socks5(upstream) => upstream.call(target),
            Upstream::Socks4a(upstream) => upstream.call(target),
            Upstream::Socks4(upstream) => upstream.call(target),
            Upstream::Http(upstream) => upstream.call(target),
        })
    }
}

impl<C: fmt::Debug> fmt::Debug for ProxyConnector<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxyConnector").field(&self.0).finish()
    }
}
