use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{OpenTunnels, TrackTunnel};
use crate::session::Request;

pin_project! {
    /// Registers the tunnel of a request: the future of [`Track`](super::Track).
    pub struct ResponseFuture<F> {
        open: OpenTunnels,
        request: Option<Arc<Request>>,
        #[pin]
        future: F,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(open: OpenTunnels, request: Arc<Request>, future: F) -> Self {
        Self {
            open,
            request: Some(request),
            future,
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<TrackTunnel<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let tunnel = ready!(this.future.poll(cx))?;
        match this.request.take() {
            Some(request) => Poll::Ready(Ok(TrackTunnel::new(tunnel, this.open.enter(request)))),
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
