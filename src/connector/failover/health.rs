use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower::load::Load;
use tower_service::Service;

use super::{Classify, down::State};
use crate::error::BoxError;

/// Takes note of whether a way works. See the [module](super).
///
/// After a failure that was the way's fault it is not ready for a second, after the next one for
/// two, and so on up to a minute; then one request at a time tries it. Clones share what is known.
pub struct Health<S> {
    way: S,
    state: Arc<State>,
    /// While it is down.
    nap: Option<Pin<Box<Sleep>>>,
}

impl<S> Health<S> {
    /// Takes note of how `way` does, under this name in the log.
    pub fn new(name: impl Into<Box<str>>, way: S) -> Self {
        Self {
            way,
            state: Arc::new(State::new(name)),
            nap: None,
        }
    }

    /// Decides by this whose fault an error is.
    #[must_use]
    pub fn blame(self, blame: Classify) -> Self {
        let mut state = State::new(self.state.name());
        state.blame = blame;
        Self {
            state: Arc::new(state),
            ..self
        }
    }

    /// What the log calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.state.name()
    }

    /// Whether it may be tried now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.down_until().is_none()
    }
}

impl<S, T> Service<T> for Health<S>
where
    S: Service<T>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = HealthFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        while let Some(until) = self.state.down_until() {
            let nap = self.nap.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if nap.deadline() != until {
                nap.as_mut().reset(until);
            }
            ready!(nap.as_mut().poll(cx));
        }
        self.nap = None;
        self.way.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: T) -> Self::Future {
        self.state.try_again();
        HealthFuture {
            asking: self.way.call(target),
            state: Arc::clone(&self.state),
        }
    }
}

/// As loaded as the way itself: for `tower::balance`.
impl<S: Load> Load for Health<S> {
    type Metric = S::Metric;

    fn load(&self) -> S::Metric {
        self.way.load()
    }
}

impl<S: Clone> Clone for Health<S> {
    fn clone(&self) -> Self {
        Self {
            way: self.way.clone(),
            state: Arc::clone(&self.state),
            nap: None,
        }
    }
}

impl<S> fmt::Debug for Health<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("name", &self.state.name())
            .field("is_up", &self.is_up())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A request of which note is taken: the future of [`Health`].
    pub struct HealthFuture<F> {
        #[pin]
        asking: F,
        state: Arc<State>,
    }
}

impl<F, R, E> Future for HealthFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.asking.poll(cx)).map_err(Into::into);
        this.state.note(&outcome);
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for HealthFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthFuture").finish_non_exhaustive()
    }
}
