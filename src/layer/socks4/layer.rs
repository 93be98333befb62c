use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    connection::{self, Config},
    future::ResponseFuture,
};
use crate::{
    error::BoxError,
    io::PrefixedStream,
    layer::connection::Lines,
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Identify},
};

/// Serves accepted connections of SOCKS4 and SOCKS4a clients with a service that authenticates. See the
/// [module](super).
#[derive(Clone, Debug)]
pub struct Socks4Layer {
    config: Config,
}

impl Socks4Layer {
    /// Creates a layer with a deadline of 10 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            config: Config {
                deadline: Duration::from_secs(10),
                reply_bound: true,
            },
        }
    }

    pub(crate) const fn config(&self) -> Config {
        self.config
    }

    /// Sets the time that a client has, from the moment it is accepted, until its request is complete and it
    /// is authenticated: 10 s by default.
    #[must_use]
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.config.deadline = limit;
        self
    }

    /// Sets whether the reply to CONNECT tells the client from which address the target is connected, which is
    /// the default. Otherwise it has zeros, as with [`HandshakeLayer`](crate::HandshakeLayer::reply_bound).
    #[must_use]
    pub const fn reply_bound(mut self, whether: bool) -> Self {
        self.config.reply_bound = whether;
        self
    }
}

impl Default for Socks4Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for Socks4Layer {
    type Service = Socks4<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Socks4 {
            inner,
            config: self.config,
            lines: Arc::new(Lines::new()),
        }
    }
}

/// Speaks SOCKS4 and SOCKS4a with clients: the service of [`Socks4Layer`].
///
/// Its future is ready when the session is over, with the payload octets that its tunnel moved, or
/// fails with a [`SessionError`](crate::SessionError). Dropping it ends the session at whatever step
/// it is.
#[derive(Clone, Debug)]
pub struct Socks4<M> {
    inner: M,
    config: Config,
    /// Clones share the bound on their lines.
    lines: Arc<Lines>,
}

impl<M> Socks4<M> {
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

impl<M, Io> Service<Accepted<Io>> for Socks4<M>
where
    M: Identify<Service: Dial<Future: Send> + Send, Future: Send> + CloneService + Send + 'static,
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
            self.config,
            Arc::clone(&self.lines),
            self.inner.clone(),
            accepted.map_io(PrefixedStream::new),
        ))
    }
}
