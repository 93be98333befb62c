use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use metrics::{counter, histogram};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{
    error::Fault,
    layer::metrics::names::{UPSTREAM_DIAL_SECONDS, UPSTREAM_DIALS},
};

/// What `outcome` can be. `refused` is also what policies here refuse of the addresses of a name.
pub(super) const OUTCOMES: [&str; 6] = ["ok", "refused", "target", "upstream", "server", "dropped"];

pin_project! {
    /// Measures a dial: the future of [`UpstreamMetrics`](super::UpstreamMetrics).
    pub struct ResponseFuture<F> {
        measure: Measure,
        #[pin]
        dial: F,
    }
}

/// Counts the dial as dropped, unless it has an outcome.
struct Measure {
    name: Arc<str>,
    started: Instant,
    counted: bool,
}

impl Measure {
    fn count(&mut self, outcome: &'static str) {
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        let name = || Arc::clone(&self.name);
        counter!(UPSTREAM_DIALS, "upstream" => name(), "outcome" => outcome).increment(1);
        histogram!(UPSTREAM_DIAL_SECONDS, "upstream" => name()).record(self.started.elapsed());
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.count("dropped");
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(name: Arc<str>, started: Instant, dial: F) -> Self {
        let measure = Measure {
            name,
            started,
            counted: false,
        };
        Self { measure, dial }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: AsRef<dyn Error + Send + Sync>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.dial.poll(cx));
        this.measure.count(match &outcome {
            Ok(_) => "ok",
            Err(error) => match Fault::of(error.as_ref()) {
                Fault::Refused => "refused",
                Fault::Target | Fault::Client => "target",
                Fault::Upstream => "upstream",
                Fault::Server => "server",
            },
        });
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
