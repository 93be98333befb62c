use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout_at,
};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseFuture;
use crate::{
    error::{BoxError, SessionError, Step},
    io::TlsStream,
    layer::connection::{Lines, before, deadline},
    session::{Accepted, record::Recording},
    tls::{self, rustls::ServerConfig},
};

/// Takes clients that speak TLS. See the [module](super).
///
/// Clones, and the services that they make, share the configuration.
#[derive(Clone)]
pub struct TlsLayer {
    config: Shared,
    deadline: Duration,
}

impl TlsLayer {
    /// Creates a layer with a deadline of 10 s.
    ///
    /// The configuration is that of [`ServerSettings`](crate::tls::ServerSettings), or any other one of rustls. One
    /// that accepts early data is used without them.
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self {
            config: Shared(Arc::new(RwLock::new(without_early_data(config.into())))),
            deadline: Duration::from_secs(10),
        }
    }

    /// Sets the time that a client has, from the moment it is accepted, until the handshake is complete.
    #[must_use]
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// Replaces the configuration, for connections that are accepted from now on. Those that are open, or in their
    /// handshake, are left alone. No session of before is resumed, unless the two share a store.
    pub fn replace(&self, config: impl Into<Arc<ServerConfig>>) {
        let config = without_early_data(config.into());
        *self
            .config
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// Early data would be accepted, and read by nobody. They can be replayed, besides (RFC 8446 section 8).
fn without_early_data(mut config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.max_early_data_size != 0 {
        Arc::make_mut(&mut config).max_early_data_size = 0;
    }
    config
}

impl fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The configuration, which changes.
#[derive(Clone)]
struct Shared(Arc<RwLock<Arc<ServerConfig>>>);

impl Shared {
    fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Layer<S> for TlsLayer {
    type Service = Tls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tls {
            inner,
            config: self.config.clone(),
            deadline: self.deadline,
            lines: Arc::new(Lines::new()),
        }
    }
}

/// Shakes hands with clients: the service of [`TlsLayer`].
#[derive(Clone)]
pub struct Tls<S> {
    inner: S,
    config: Shared,
    deadline: Duration,
    /// Clones share the bound on their lines.
    lines: Arc<Lines>,
}

impl<S> Tls<S> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: fmt::Debug> fmt::Debug for Tls<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("inner", &self.inner)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl<S, Io> Service<Accepted<Io>> for Tls<S>
where
    S: Service<Accepted<TlsStream>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Response>;

    // The inner service is asked once the client has shaken hands, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut accepted: Accepted<Io>) -> ResponseFuture<S::Response> {
        let Self {
            inner,
            config,
            deadline: limit,
            lines,
        } = self.clone();
        ResponseFuture::new(async move {
            // In a box, which is gone when the tunnel runs.
            let accepted = Box::pin(async move {
                let peer = accepted.peer;
                let recording = Recording::of(&accepted.extensions).cloned();
                let limit = deadline(accepted.started(), limit);
                let shake = timeout_at(limit, shake_hands(config.current(), accepted));
                let shaken = async {
                    match shake.await {
                        Ok(shaken) => shaken,
                        Err(elapsed) => Err(SessionError::new(Step::Tls, elapsed)),
                    }
                };
                before(&lines, peer, recording, shaken).await
            });
            let accepted = accepted.await?;
            inner.oneshot(accepted).await
        })
    }
}

async fn shake_hands<Io>(
    config: Arc<ServerConfig>,
    accepted: Accepted<Io>,
) -> Result<Accepted<TlsStream>, SessionError>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (io, mut accepted) = accepted.take_io();
    let shaken = tls::accept(config, io).await;
    let (io, info) = shaken.map_err(|error| SessionError::new(Step::Tls, error))?;
    accepted.extensions.insert(info);
    Ok(accepted.map_io(|()| io))
}
