use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::future::ResponseFuture;
use crate::error::BoxError;

/// Measures the lookups of a resolver. See the [module](crate::layer::metrics).
#[derive(Clone, Copy, Debug, Default)]
pub struct LookupMetricsLayer;

impl LookupMetricsLayer {
    /// Creates a layer for the recorder that is installed when names are looked up.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for LookupMetricsLayer {
    type Service = LookupMetrics<S>;

    fn layer(&self, inner: S) -> LookupMetrics<S> {
        LookupMetrics { inner }
    }
}

/// Measures lookups: the service of [`LookupMetricsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct LookupMetrics<S> {
    inner: S,
}

impl<S> LookupMetrics<S> {
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

impl<S, L> Service<L> for LookupMetrics<S>
where
    S: Service<L>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, lookup: L) -> Self::Future {
        let started = Instant::now();
        ResponseFuture::new(started, self.inner.call(lookup))
    }
}
