use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower::{Layer, Service};
use tower_socks::{BoxError, Request, Traffic, Tunnel, session::Accepted};
use tracing::{Instrument, field::Empty};

use super::stream;
use crate::keys::Keys;

/// Serves the streams of shadowsocks' clients: what `HandshakeLayer` and `AuthLayer` are for SOCKS5.
#[derive(Clone)]
pub struct ShadowsocksLayer {
    pub(super) keys: Keys,
    pub(super) limit: Duration,
}

impl ShadowsocksLayer {
    /// Serves users who have these keys.
    #[must_use]
    pub const fn new(keys: Keys) -> Self {
        let limit = Duration::from_secs(10);
        Self { keys, limit }
    }

    /// Sets how long a client may take for its request: 10 s by default. Who has no key is listened to until then.
    #[must_use]
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl<S> Layer<S> for ShadowsocksLayer {
    type Service = Shadowsocks<S>;

    fn layer(&self, inner: S) -> Shadowsocks<S> {
        let layer = self.clone();
        Shadowsocks { inner, layer }
    }
}

/// The service of a [`ShadowsocksLayer`].
#[derive(Clone)]
pub struct Shadowsocks<S> {
    inner: S,
    layer: ShadowsocksLayer,
}

impl<S> Shadowsocks<S> {
    /// Returns the service below.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the service below, to change.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the service below alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Io> Service<Accepted<Io>> for Shadowsocks<S>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = Traffic;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Traffic, BoxError>> + Send>>;

    // A client that is slow to ask would hold what was ready for it. The clone that is called is asked.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accepted: Accepted<Io>) -> Self::Future {
        let Self { inner, layer } = self.clone();
        let span =
            tracing::info_span!("session", peer = %accepted.peer, user = Empty, target = Empty);
        Box::pin(stream::serve(layer, inner, accepted).instrument(span))
    }
}
