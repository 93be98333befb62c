use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::BindTunnel;
use crate::error::BoxError;

/// A listener in the making: the future of [`Bind`](super::Bind).
///
/// Dropping it closes the listener.
pub struct ResponseFuture {
    opening: Pin<Box<dyn Future<Output = Result<BindTunnel, BoxError>> + Send>>,
}

impl ResponseFuture {
    pub(super) fn new(
        opening: impl Future<Output = Result<BindTunnel, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            opening: Box::pin(opening),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<BindTunnel, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.opening.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
