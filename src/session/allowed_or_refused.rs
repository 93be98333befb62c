use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::error::{BoxError, Refusal};

pin_project! {
    /// Executes an allowed request, or fails with the refusal: the future of services that ask policies before
    /// they call the service inside.
    #[derive(Debug)]
    pub struct AllowedOrRefused<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F> AllowedOrRefused<F> {
    pub(crate) const fn called(future: F) -> Self {
        Self {
            state: State::Called { future },
        }
    }

    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self {
            state: State::Refused {
                refusal: Some(refusal),
            },
        }
    }
}

impl<F, T, E> Future for AllowedOrRefused<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future } => {
                Poll::Ready(ready!(future.poll(cx)).map_err(Into::into))
            }
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal.into())),
                // Polled again after it was ready, which futures need not survive.
                None => Poll::Pending,
            },
        }
    }
}
