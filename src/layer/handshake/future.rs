use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{error::BoxError, relay::Traffic};

/// A session: the future of [`Handshake`](super::Handshake).
///
/// Ready when the session is over, with the bytes that its tunnel moved. Fails with a
/// [`SessionError`](crate::SessionError). Dropping it ends the session at whatever step it is.
pub struct ResponseFuture {
    session: Pin<Box<dyn Future<Output = Result<Traffic, BoxError>> + Send>>,
}

impl ResponseFuture {
    pub(super) fn new(
        session: impl Future<Output = Result<Traffic, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            session: Box::pin(session),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Traffic, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.session.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
