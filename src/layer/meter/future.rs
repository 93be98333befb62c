use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;

use super::MeterTunnel;
use crate::error::{BoxError, Refusal};

pin_project! {
    /// Puts a meter on the tunnel of a request: the future of [`MeterService`](super::layer::MeterService).
    pub struct ResponseFuture<F, T, M> {
        #[pin]
        state: State<F, T, M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, T, M> {
        Called { #[pin] future: F, meter: Option<M> },
        Refused { refusal: Option<Refusal> },
        Waiting { waiting: BoxFuture<'static, Result<MeterTunnel<T, M>, BoxError>> },
    }
}

impl<F, T, M> ResponseFuture<F, T, M> {
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

    pub(super) fn waiting(
        waiting: impl Future<Output = Result<MeterTunnel<T, M>, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Waiting {
                waiting: Box::pin(waiting),
            },
        }
    }
}

impl<F, T, M, E> Future for ResponseFuture<F, T, M>
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
            StateProj::Waiting { waiting } => waiting.as_mut().poll(cx),
        }
    }
}

impl<F, T, M> fmt::Debug for ResponseFuture<F, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
