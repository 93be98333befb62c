use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::histogram;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::super::names::RESOLVE_SECONDS;
use crate::proto::DomainName;

/// Measures lookups: a layer for resolvers. See the [module](crate::layer::metrics).
#[derive(Clone, Copy, Debug, Default)]
pub struct LookupMetricsLayer;

impl LookupMetricsLayer {
    /// By the recorder that is installed when names are looked up.
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

impl<S: Service<DomainName>> Service<DomainName> for LookupMetrics<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = LookupMetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: DomainName) -> Self::Future {
        LookupMetricsFuture {
            started: Instant::now(),
            lookup: self.inner.call(name),
        }
    }
}

pin_project! {
    /// A lookup that is measured: the future of [`LookupMetrics`].
    pub struct LookupMetricsFuture<F> {
        started: Instant,
        #[pin]
        lookup: F,
    }
}

impl<F, T, E> Future for LookupMetricsFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.lookup.poll(cx));
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        histogram!(RESOLVE_SECONDS, "outcome" => label).record(this.started.elapsed());
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for LookupMetricsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupMetricsFuture")
            .finish_non_exhaustive()
    }
}
