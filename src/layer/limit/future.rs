use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;

use super::LimitTunnel;
use crate::error::{BoxError, Refusal};

pin_project! {
    /// Executes a request once it is admitted: the future of [`Limit`](super::Limit).
    pub struct ResponseFuture<F, T, P> {
        #[pin]
        state: State<F, T, P>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, T, P> {
        Called { #[pin] future: F, permit: Option<P> },
        Refused { refusal: Option<Refusal> },
        Waiting { waiting: BoxFuture<'static, Result<LimitTunnel<T, P>, BoxError>> },
    }
}

impl<F, T, P> ResponseFuture<F, T, P> {
    pub(super) const fn called(future: F, permit: P) -> Self {
        Self {
            state: State::Called {
                future,
                permit: Some(permit),
            },
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
        waiting: impl Future<Output = Result<LimitTunnel<T, P>, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Waiting {
                waiting: Box::pin(waiting),
            },
        }
    }
}

impl<F, T, P, E> Future for ResponseFuture<F, T, P>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<LimitTunnel<T, P>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future, permit } => {
                let tunnel = ready!(future.poll(cx)).map_err(Into::into);
                // Given back at once if the dial has failed.
                let permit = permit.take();
                let tunnel = tunnel?;
                match permit {
                    Some(permit) => Poll::Ready(Ok(LimitTunnel::new(tunnel, permit))),
                    None => Poll::Pending,
                }
            }
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal.into())),
                None => Poll::Pending,
            },
            StateProj::Waiting { waiting } => waiting.as_mut().poll(cx),
        }
    }
}

impl<F, T, P> fmt::Debug for ResponseFuture<F, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
