use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::net::TcpStream;

use crate::{error::BoxError, session::Connected};

/// A dial: the future of [`Direct`](super::Direct).
///
/// Dropping it closes every socket that it opened.
pub struct ResponseFuture {
    dial: Pin<Box<dyn Future<Output = Result<Connected<TcpStream>, BoxError>> + Send>>,
}

impl ResponseFuture {
    pub(super) fn new(
        dial: impl Future<Output = Result<Connected<TcpStream>, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            dial: Box::pin(dial),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Connected<TcpStream>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.dial.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
