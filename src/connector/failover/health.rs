use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower::load::Load;
use tower_service::Service;

use super::{Classify, Standing, asking::Asking};
use crate::error::BoxError;

/// Records whether a service is up or down. See the [module](super).
///
/// After a failure of its own it is not ready for a second, after the next one for two, and so on up
/// to a minute; then one request at a time tries it. Clones share what is known.
pub struct Health<S> {
    service: S,
    standing: Standing,
    classify: Classify,
    /// Runs out when it is up again.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Health<S> {
    /// Records the health of `service`, under this name in the log.
    pub fn new(name: impl Into<Box<str>>, service: S) -> Self {
        Self {
            service,
            standing: Standing::new(name),
            classify: Classify::default(),
            timer: None,
        }
    }

    /// Classifies failures by this.
    #[must_use]
    pub fn classify(self, classify: Classify) -> Self {
        Self { classify, ..self }
    }

    /// Returns the name that it has in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        self.standing.name()
    }

    /// Returns whether it may be tried now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.standing.is_up()
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
        while let Some(until) = self.standing.0.down_until() {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
        }
        self.timer = None;
        self.service.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: T) -> Self::Future {
        HealthFuture {
            asking: Asking::new(&self.standing.0, self.classify, self.service.call(target)),
        }
    }
}

/// Has the load of the service itself: for `tower::balance`.
impl<S: Load> Load for Health<S> {
    type Metric = S::Metric;

    fn load(&self) -> S::Metric {
        self.service.load()
    }
}

impl<S: Clone> Clone for Health<S> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            standing: self.standing.clone(),
            classify: self.classify,
            timer: None,
        }
    }
}

impl<S> fmt::Debug for Health<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("name", &self.standing.name())
            .field("is_up", &self.is_up())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Records the outcome of a request: the future of [`Health`].
    ///
    /// Dropping it after 2 s or more records that the service said nothing.
    pub struct HealthFuture<F> {
        #[pin]
        asking: Asking<F>,
    }
}

impl<F, R, E> Future for HealthFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (outcome, _) = ready!(self.project().asking.poll(cx));
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for HealthFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthFuture").finish_non_exhaustive()
    }
}
