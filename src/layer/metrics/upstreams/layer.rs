use std::{
    sync::Arc,
    task::{Context, Poll},
};

use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::future::{OUTCOMES, ResponseFuture};
use crate::layer::metrics::names::{
    UPSTREAM_DIAL_SECONDS, UPSTREAM_DIALS, UPSTREAM_PROBE_FAILURES, UPSTREAM_UP,
};

/// Measures the dials of one upstream, for each command. See the [module](crate::layer::metrics).
#[derive(Clone, Debug)]
pub struct UpstreamMetricsLayer {
    name: Arc<str>,
}

impl UpstreamMetricsLayer {
    /// Creates a layer for the upstream of this name, which is the label `upstream` of all numbers.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }

    /// Writes all counters with 0, unless they have counted already, so that they are there before the first request.
    pub fn touch(&self) {
        for outcome in OUTCOMES {
            let (name, outcome) = (Arc::clone(&self.name), outcome);
            counter!(UPSTREAM_DIALS, "upstream" => name, "outcome" => outcome).increment(0);
        }
        counter!(UPSTREAM_PROBE_FAILURES, "upstream" => Arc::clone(&self.name)).increment(0);
        let _ = histogram!(UPSTREAM_DIAL_SECONDS, "upstream" => Arc::clone(&self.name));
    }

    /// Says whether the upstream is up.
    pub fn set_up(&self, is_up: bool) {
        let up = if is_up { 1.0 } else { 0.0 };
        gauge!(UPSTREAM_UP, "upstream" => Arc::clone(&self.name)).set(up);
    }

    /// Counts a probe that failed.
    pub fn probe_failed(&self) {
        counter!(UPSTREAM_PROBE_FAILURES, "upstream" => Arc::clone(&self.name)).increment(1);
    }
}

impl<S> Layer<S> for UpstreamMetricsLayer {
    type Service = UpstreamMetrics<S>;

    fn layer(&self, inner: S) -> UpstreamMetrics<S> {
        let name = Arc::clone(&self.name);
        UpstreamMetrics { inner, name }
    }
}

/// Measures dials: the service of [`UpstreamMetricsLayer`].
#[derive(Clone, Debug)]
pub struct UpstreamMetrics<S> {
    inner: S,
    name: Arc<str>,
}

impl<S> UpstreamMetrics<S> {
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

impl<S: Service<T>, T> Service<T> for UpstreamMetrics<S>
where
    S::Error: AsRef<dyn std::error::Error + Send + Sync>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let (name, started) = (Arc::clone(&self.name), Instant::now());
        ResponseFuture::new(name, started, self.inner.call(target))
    }
}
