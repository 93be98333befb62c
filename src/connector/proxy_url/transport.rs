use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use super::unreachable::beneath;
use crate::{
    connector::{direct::Direct, upstream::Transport},
    error::BoxError,
    io::BoxStream,
    proto::Address,
    session::Connected,
};

/// The time to reach a proxy, with its handshake.
const LIMIT: Duration = Duration::from_secs(30);

/// Reaches the proxy of a URL, as it is or inside TLS: the transport of
/// [`ProxyUrl::transport`](super::ProxyUrl::transport), for requests of a [`Client`](crate::Client) and for upstreams.
///
/// `C` is the transport beneath. Both it and the handshake have to be done within 30 s.
#[derive(Clone)]
pub struct ProxyTransport<C = Direct> {
    transport: C,
    #[cfg(feature = "tls")]
    tls: Option<super::tls::Tls>,
}

impl<C> ProxyTransport<C> {
    pub(super) const fn plain(transport: C) -> Self {
        Self {
            transport,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(super) const fn inside(tls: super::tls::Tls, transport: C) -> Self {
        let tls = Some(tls);
        Self { transport, tls }
    }
}

opaque_future! {
    /// Reaches a proxy: the future of [`ProxyTransport`](super::ProxyTransport). Dropping it closes the connection.
    pub struct TransportFuture = Result<Connected<BoxStream>, BoxError>;
}

impl<C: Transport> Service<Address> for ProxyTransport<C> {
    type Response = Connected<BoxStream>;
    type Error = BoxError;
    type Future = TransportFuture;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: Address) -> TransportFuture {
        let this = self.clone();
        TransportFuture::new(async move {
            #[cfg(feature = "tls")]
            if let Some(tls) = this.tls {
                return tls.reach(this.transport, proxy, LIMIT).await;
            }
            let reached = this.transport.reach(proxy, LIMIT).await;
            reached
                .map(|stream| stream.map_io(BoxStream::new))
                .map_err(beneath)
        })
    }
}

impl<C: fmt::Debug> fmt::Debug for ProxyTransport<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ProxyTransport");
        shown.field("transport", &self.transport);
        #[cfg(feature = "tls")]
        shown.field("tls", &self.tls.is_some());
        shown.finish()
    }
}
