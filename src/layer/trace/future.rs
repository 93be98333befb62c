use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tracing::Span;

use super::{OnClose, OnError, OnReply, TraceTunnel};
use crate::{
    error::{BoxError, ReplyCodes},
    session::Tunnel,
};

pin_project! {
    /// Executes a request in its span: the future of [`Trace`](super::Trace).
    pub struct ResponseFuture<F, R, E, C> {
        #[pin]
        pub(super) future: F,
        pub(super) span: Span,
        pub(super) reply_codes: ReplyCodes,
        pub(super) started: Instant,
        pub(super) on_reply: R,
        pub(super) on_error: E,
        pub(super) on_close: Option<C>,
    }
}

impl<F, T, X, R, E, C> Future for ResponseFuture<F, R, E, C>
where
    F: Future<Output = Result<T, X>>,
    T: Tunnel,
    X: Into<BoxError>,
    R: OnReply,
    E: OnError,
    C: OnClose,
{
    type Output = Result<TraceTunnel<T, C>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _inside = this.span.enter();
        let outcome = ready!(this.future.poll(cx)).map_err(Into::into);
        let latency = this.started.elapsed();
        match (outcome, this.on_close.take()) {
            (Ok(tunnel), Some(on_close)) => {
                this.on_reply.on_reply(&tunnel.bound(), latency, this.span);
                Poll::Ready(Ok(TraceTunnel::new(tunnel, this.span.clone(), on_close)))
            }
            (Err(error), _) => {
                let code = this.reply_codes.of(&*error);
                this.on_error.on_error(&error, code, latency, this.span);
                Poll::Ready(Err(error))
            }
            // Polled again after it was ready, which futures need not survive.
            (Ok(_), None) => Poll::Pending,
        }
    }
}

impl<F, R, E, C> fmt::Debug for ResponseFuture<F, R, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}
