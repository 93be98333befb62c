use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::future::{Open, ResponseFuture};
use crate::{error::BoxError, session::Accepted};

/// Counts sessions and failed authentication. It stands above
/// [`HandshakeLayer`](crate::HandshakeLayer). See the [module](crate::layer::metrics).
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionMetricsLayer;

impl SessionMetricsLayer {
    /// Creates a layer for the recorder that is installed when sessions begin.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for SessionMetricsLayer {
    type Service = SessionMetrics<S>;

    fn layer(&self, inner: S) -> SessionMetrics<S> {
        SessionMetrics { inner }
    }
}

/// Counts sessions: the service of [`SessionMetricsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct SessionMetrics<S> {
    inner: S,
}

impl<S> SessionMetrics<S> {
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

impl<S, Io> Service<Accepted<Io>> for SessionMetrics<S>
where
    S: Service<Accepted<Io>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, accepted: Accepted<Io>) -> Self::Future {
        let open = Open::new();
        ResponseFuture::new(open, self.inner.call(accepted))
    }
}
