use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

use super::{connection, future::ResponseFuture, protocols::Protocols};
#[cfg(feature = "http-server")]
use crate::layer::http::HttpLayer;
use crate::{
    error::BoxError,
    io::PrefixedStream,
    layer::{connection::Lines, handshake::HandshakeLayer, socks4::Socks4Layer},
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Identify, Negotiate, Protocol},
};

/// Serves several protocols on one port. See the [module](super).
#[derive(Clone, Debug, Default)]
pub struct MixedLayer {
    protocols: Protocols,
}

impl MixedLayer {
    /// Creates a layer that serves no protocol yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            protocols: Protocols::none(),
        }
    }

    /// Serves SOCKS5, with the settings of this layer.
    #[must_use]
    pub fn socks5(mut self, layer: HandshakeLayer) -> Self {
        self.protocols.socks5 = Some(layer);
        self
    }

    /// Serves SOCKS4 and SOCKS4a, with the settings of this layer.
    #[must_use]
    pub fn socks4(mut self, layer: Socks4Layer) -> Self {
        self.protocols.socks4 = Some(layer);
        self
    }

    /// Serves HTTP, with the settings of this layer.
    #[cfg(feature = "http-server")]
    #[must_use]
    pub fn http(mut self, layer: HttpLayer) -> Self {
        self.protocols.http = Some(layer);
        self
    }

    /// Returns the protocols that are served.
    pub fn protocols(&self) -> impl Iterator<Item = Protocol> {
        self.protocols.served()
    }
}

impl<S> Layer<S> for MixedLayer {
    type Service = Mixed<S>;

    fn layer(&self, inner: S) -> Mixed<S> {
        Mixed {
            inner,
            protocols: Arc::new(self.protocols.clone()),
            lines: Arc::new(Lines::new()),
        }
    }
}

/// Finds out which protocol a client speaks, and serves it: the service of [`MixedLayer`].
///
/// Its future is ready when the session is over, with the payload octets that its tunnel moved, or
/// fails with a [`SessionError`](crate::SessionError). Dropping it ends the session at whatever step
/// it is.
#[derive(Clone, Debug)]
pub struct Mixed<M> {
    inner: M,
    protocols: Arc<Protocols>,
    /// Clones, and all protocols, share the bound on their lines.
    lines: Arc<Lines>,
}

impl<M> Mixed<M> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &M {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut M {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> M {
        self.inner
    }
}

impl<M, Io> Service<Accepted<Io>> for Mixed<M>
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
        + Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = Traffic;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The inner services are asked once the client has spoken, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accepted: Accepted<Io>) -> ResponseFuture {
        ResponseFuture::new(connection::serve(
            Arc::clone(&self.protocols),
            Arc::clone(&self.lines),
            self.inner.clone(),
            accepted.map_io(PrefixedStream::new),
        ))
    }
}
