use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{RecheckTunnel, watch::Watch};

pin_project! {
    /// Watches the tunnel of a request: the future of [`Recheck`](super::Recheck).
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        watch: Option<Watch>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(future: F, watch: Watch) -> Self {
        Self {
            future,
            watch: Some(watch),
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<RecheckTunnel<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let tunnel = ready!(this.future.poll(cx))?;
        match this.watch.take() {
            Some(watch) => Poll::Ready(Ok(RecheckTunnel::new(tunnel, watch))),
            // Polled again after it was ready, which futures need not survive.
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
