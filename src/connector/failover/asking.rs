//! A request to an alternative, and the record of its outcome.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::{Classify, attempt::Attempt, down::State};
use crate::{admission::Listened, error::BoxError};

pin_project! {
    /// Asks an alternative, and records the outcome. Dropping it after 2 s or more records that the alternative
    /// said nothing, if that is so.
    ///
    /// Ready with the outcome, and whether another alternative might do better.
    pub(super) struct Asking<F> {
        #[pin]
        future: Listened<F>,
        attempt: Attempt,
    }
}

impl<F> Asking<F> {
    pub(super) fn new(state: &Arc<State>, classify: Classify, future: F) -> Self {
        Self {
            attempt: Attempt::begin(state, classify),
            future: Listened::new(future),
        }
    }

    /// Records that there is no outcome within this time.
    pub(super) fn time_out(self: Pin<&mut Self>, limit: Duration) {
        self.project().attempt.time_out(limit);
    }
}

impl<F, R, E> Future for Asking<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = (Result<R, BoxError>, bool);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = this.future.as_mut().poll(cx);
        let said = this.future.said();
        this.attempt.hears(said.anything);
        let outcome = ready!(polled).map_err(Into::into);
        let others = this.attempt.record(&outcome, said.warning);
        Poll::Ready((outcome, others))
    }
}
