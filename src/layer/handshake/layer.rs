use std::{
    error::Error,
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
    error::{BoxError, ReplyCodes},
    io::PrefixedStream,
    layer::connection::Lines,
    proto::ReplyCode,
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Negotiate},
};

/// Serves accepted connections with a service that authenticates. See the [module](super).
#[derive(Clone, Debug)]
pub struct HandshakeLayer {
    config: Config,
}

impl HandshakeLayer {
    /// Creates a layer with a deadline of 10 s, and the reply codes of
    /// [`reply_code`](crate::error::reply_code).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            config: Config {
                deadline: Duration::from_secs(10),
                reply_codes: ReplyCodes::built_in(),
                reply_bound: true,
            },
        }
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Sets the time that a client has, from the moment it is accepted, until its request is complete.
    #[must_use]
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.config.deadline = limit;
        self
    }

    /// Sets whether the reply to CONNECT tells the client from which address the target is connected
    /// (BND), which is the default. Otherwise it has zeros, which keep addresses of the machine and its
    /// network from clients that have no use for them. Those of BIND and UDP ASSOCIATE are where
    /// somebody has to go, and those of RESOLVE and RESOLVE_PTR what was asked for: they are told in any case.
    #[must_use]
    pub const fn reply_bound(mut self, whether: bool) -> Self {
        self.config.reply_bound = whether;
        self
    }

    /// Replaces the mapping of errors to reply codes, for every failure reply of a session: those to
    /// a request, malformed ones among them, and the second one of BIND. Metrics and traces show
    /// what was sent. Code 00 is taken for 01: a failure is never reported as a success.
    ///
    /// ```
    /// use tower_socks::{HandshakeLayer, error::reply_code, proto::ReplyCode};
    ///
    /// // Tell nobody why.
    /// let layer = HandshakeLayer::new().reply_code(|_| ReplyCode::GENERAL_FAILURE);
    ///
    /// // Or change one code, and leave the others.
    /// let layer = HandshakeLayer::new().reply_code(|error| match reply_code(error) {
    ///     ReplyCode::NOT_ALLOWED => ReplyCode::HOST_UNREACHABLE,
    ///     other => other,
    /// });
    /// ```
    #[must_use]
    pub fn reply_code<F>(mut self, mapping: F) -> Self
    where
        F: Fn(&(dyn Error + 'static)) -> ReplyCode + Send + Sync + 'static,
    {
        self.config.reply_codes = ReplyCodes::custom(mapping);
        self
    }
}

impl Default for HandshakeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for HandshakeLayer {
    type Service = Handshake<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Handshake {
            inner,
            config: self.config.clone(),
            lines: Arc::new(Lines::new()),
        }
    }
}

/// Speaks RFC 1928 with clients: the service of [`HandshakeLayer`].
///
/// Its future is ready when the session is over, with the payload octets that its tunnel moved, or
/// fails with a [`SessionError`](crate::SessionError). Dropping it ends the session at whatever step
/// it is.
#[derive(Clone, Debug)]
pub struct Handshake<M> {
    inner: M,
    config: Config,
    /// Clones share the bound on their lines.
    lines: Arc<Lines>,
}

impl<M> Handshake<M> {
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

impl<M, Io> Service<Accepted<Io>> for Handshake<M>
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
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
            self.config.clone(),
            Arc::clone(&self.lines),
            self.inner.clone(),
            accepted.map_io(PrefixedStream::new),
        ))
    }
}
