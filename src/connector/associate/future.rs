use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::AssociateTunnel;
use crate::error::BoxError;

/// An association in the making: the future of [`Associate`](super::Associate).
///
/// Dropping it closes its socket.
pub struct ResponseFuture<P> {
    opening: Pin<Box<dyn Future<Output = Result<AssociateTunnel<P>, BoxError>> + Send>>,
}

impl<P> ResponseFuture<P> {
    pub(super) fn new(
        opening: impl Future<Output = Result<AssociateTunnel<P>, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            opening: Box::pin(opening),
        }
    }
}

impl<P> Future for ResponseFuture<P> {
    type Output = Result<AssociateTunnel<P>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.opening.as_mut().poll(cx)
    }
}

impl<P> fmt::Debug for ResponseFuture<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
