use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::MeterTunnel;
use crate::error::{BoxError, Refusal};

pin_project! {
    /// Puts a meter on the tunnel of a request: the future of [`MeterService`](super::layer::MeterService).
    pub struct ResponseFuture<F, M> {
        #[pin]
        state: State<F, M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, M> {
        Called { #[pin] future: F, meter: Option<M> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, M> ResponseFuture<F, M> {
    pub(super) const fn called(future: F, meter: Option<M>) -> Self {
        Self {
            state: State::Called { future, meter },
        }
    }

    pub(super) const fn refused(refusal: Refusal) -> Self {
        Self {
            state: State::Refused {
                refusal: Some(refusal),
            },
        }
    }
}

impl<F, T, M, E> Future for ResponseFuture<F, M>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<MeterTunnel<T, M>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future, meter } => {
                let tunnel = ready!(future.poll(cx)).map_err(Into::into)?;
                Poll::Ready(Ok(MeterTunnel::new(tunnel, meter.take())))
            }
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal.into())),
                // Polled again after it was ready, which futures need not survive.
                None => Poll::Pending,
            },
        }
    }
}

impl<F, M> fmt::Debug for ResponseFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
