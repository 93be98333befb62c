use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{Recorder, tunnel::RecordTunnel};
use crate::{
    error::{BoxError, ReplyCodes},
    session::{Tunnel, record::Recording},
};

pin_project! {
    /// Executes a request: the future of [`RecordRequests`](super::RecordRequests).
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        reply_codes: ReplyCodes,
        recorded: Option<(Recording, Recorder)>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(
        future: F,
        reply_codes: ReplyCodes,
        recorded: Option<(Recording, Recorder)>,
    ) -> Self {
        Self {
            future,
            reply_codes,
            recorded,
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    T: Tunnel,
    E: Into<BoxError>,
{
    type Output = Result<RecordTunnel<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.future.poll(cx)).map_err(Into::into);
        if let Some((recording, _)) = this.recorded {
            match &outcome {
                Ok(tunnel) => recording.opened(tunnel.bound()),
                Err(error) => recording.failed(this.reply_codes.of(&**error)),
            }
        }
        Poll::Ready(outcome.map(|tunnel| RecordTunnel::new(tunnel, this.recorded.take())))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
