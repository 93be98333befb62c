use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::histogram;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::layer::metrics::names::RESOLVE_SECONDS;

pin_project! {
    /// Measures a lookup: the future of [`LookupMetrics`](super::LookupMetrics).
    pub struct ResponseFuture<F> {
        started: Instant,
        #[pin]
        lookup: F,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(started: Instant, lookup: F) -> Self {
        Self { started, lookup }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
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

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
