use std::{
    error::Error,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

use super::{config::Config, connection, future::ResponseFuture};
use crate::{
    error::{BoxError, ReplyCodes},
    io::PrefixedStream,
    layer::connection::Lines,
    proto::ReplyCode,
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Identify},
};

/// Serves clients of an HTTP proxy with a service that authenticates. See the [module](super).
#[derive(Clone, Debug)]
pub struct HttpLayer {
    config: Config,
}

impl HttpLayer {
    /// Creates a layer with a deadline of 10 s, an idle limit of 60 s, and the statuses that belong to the reply codes of
    /// [`reply_code`](crate::error::reply_code).
    #[must_use]
    pub fn new() -> Self {
        // Another one in each: two proxies that know each other's would refuse each other's requests.
        let random = RandomState::new().build_hasher().finish();
        Self {
            config: Config {
                deadline: Duration::from_secs(10),
                idle: Duration::from_secs(60),
                reply_codes: ReplyCodes::built_in(),
                pseudonym: format!("tower-socks-{:08x}", random & 0xffff_ffff).into(),
            },
        }
    }

    /// Sets the time that a client has, from the moment it is accepted, until the head of a request of an authenticated
    /// client is complete. Answers with 407 do not prolong it. Later heads have as long each, and so has a client that
    /// takes no octet of a page.
    #[must_use]
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.config.deadline = limit;
        self
    }

    /// Sets how long a connection is kept open for another request.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.config.idle = limit;
        self
    }

    /// Replaces the mapping of errors to reply codes, from which the statuses of responses follow: 02 is 403, 06 is 504,
    /// 07 is 501, and all others are 502. Where the mapping changes a code, nothing but the code is told.
    #[must_use]
    pub fn reply_code<F>(mut self, mapping: F) -> Self
    where
        F: Fn(&(dyn Error + 'static)) -> ReplyCode + Send + Sync + 'static,
    {
        self.config.reply_codes = ReplyCodes::custom(mapping);
        self
    }

    /// The settings, for a layer that serves several protocols.
    #[allow(
        dead_code,
        reason = "the layer for several protocols has its own features"
    )]
    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }
}

impl Default for HttpLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = Http<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Http {
            inner,
            config: self.config.clone(),
            lines: Arc::new(Lines::new()),
        }
    }
}

/// Serves clients of an HTTP proxy: the service of [`HttpLayer`].
///
/// Its future is ready when the connection is over, with the octets that its tunnels moved, or fails with a
/// [`SessionError`](crate::SessionError). Dropping it ends the connection at whatever step it is.
#[derive(Clone, Debug)]
pub struct Http<M> {
    inner: M,
    config: Config,
    /// Clones share the bound on their lines.
    lines: Arc<Lines>,
}

impl<M> Http<M> {
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

impl<M, Io> Service<Accepted<Io>> for Http<M>
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
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
