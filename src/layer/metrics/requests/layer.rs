use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::{MetricsTunnel, future::ResponseFuture};
use crate::{error::BoxError, layer::metrics::keys, session::Request};

/// Counts requests, and measures dials and tunnels. See the [module](crate::layer::metrics).
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestMetricsLayer;

impl RequestMetricsLayer {
    /// Creates a layer for the recorder that is installed when requests come.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for RequestMetricsLayer {
    type Service = RequestMetrics<S>;

    fn layer(&self, inner: S) -> RequestMetrics<S> {
        RequestMetrics { inner }
    }
}

/// Counts requests, and measures dials and tunnels: the service of [`RequestMetricsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct RequestMetrics<S> {
    inner: S,
}

impl<S> RequestMetrics<S> {
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

impl<S> Service<Request> for RequestMetrics<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = MetricsTunnel<S::Response>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let command = keys::of_command(request.command);
        let reply_codes = request.reply_codes.clone();
        let started = Instant::now();
        ResponseFuture::new(command, reply_codes, started, self.inner.call(request))
    }
}
