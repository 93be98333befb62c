use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::{counter, histogram};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{
    error::{BoxError, LookupError, find},
    layer::metrics::names::{RESOLVE_FAILURES, RESOLVE_SECONDS},
};

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
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.lookup.poll(cx)).map_err(Into::into);
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        histogram!(RESOLVE_SECONDS, "outcome" => label).record(this.started.elapsed());
        if let Err(error) = &outcome {
            let kind = find::<LookupError>(&**error).map_or("other", |it| it.kind().as_str());
            counter!(RESOLVE_FAILURES, "kind" => kind).increment(1);
        }
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
