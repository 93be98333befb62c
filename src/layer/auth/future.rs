use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::error::BoxError;

/// A sub-negotiation: the future of [`Auth`](super::Auth).
///
/// Dropping it closes the client's connection.
pub struct ResponseFuture<T> {
    negotiation: Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>,
}

impl<T> ResponseFuture<T> {
    pub(super) fn new(
        negotiation: impl Future<Output = Result<T, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            negotiation: Box::pin(negotiation),
        }
    }
}

impl<T> Future for ResponseFuture<T> {
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.negotiation.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for ResponseFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
