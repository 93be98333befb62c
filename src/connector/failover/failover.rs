use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::ServiceExt;
use tower_service::Service;

use super::{Classify, down::State};
use crate::error::BoxError;

/// Takes the first way that works. See the [module](super).
///
/// Ways that are up go first, in the given order; then those that are down, since nothing else is
/// left. The next one is asked where the one before was at fault, and whatever the last one says is
/// the answer. Clones share what is known about the ways.
pub struct Failover<S> {
    ways: Vec<(Arc<State>, S)>,
}

impl<S> Failover<S> {
    /// These ways, best first, each with what the log calls it.
    pub fn new<N: Into<Box<str>>>(ways: impl IntoIterator<Item = (N, S)>) -> Self {
        let ways = ways.into_iter();
        Self {
            ways: ways
                .map(|(name, way)| (Arc::new(State::new(name)), way))
                .collect(),
        }
    }

    /// Decides by this whose fault an error is.
    #[must_use]
    pub fn blame(self, blame: Classify) -> Self {
        let ways = self.ways.into_iter().map(|(state, way)| {
            let mut state = State::new(state.name());
            state.blame = blame;
            (Arc::new(state), way)
        });
        Self {
            ways: ways.collect(),
        }
    }

    /// The ways in the order in which they would be tried now.
    fn order(&self) -> impl Iterator<Item = &(Arc<State>, S)> {
        let is_up = |(state, _): &&(Arc<State>, S)| state.down_until().is_none();
        let (up, mut down): (Vec<_>, Vec<_>) = self.ways.iter().partition(is_up);
        // The one that has been down for the longest time has the best chances.
        down.sort_by_key(|(state, _)| state.down_until());
        up.into_iter().chain(down)
    }

    /// The names of the ways in the order in which they would be tried now.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.order().map(|(state, _)| state.name()).collect()
    }
}

impl<S, T> Service<T> for Failover<S>
where
    S: Service<T> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    S::Response: Send,
    T: Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = FailoverFuture<S::Response>;

    // Each way is asked when it is its turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        let ways: Vec<_> = self.order().cloned().collect();
        FailoverFuture {
            asking: Box::pin(async move {
                let mut answer = Err(BoxError::from("there is no way to go"));
                for (state, way) in ways {
                    state.try_again();
                    answer = way.oneshot(target.clone()).await.map_err(Into::into);
                    if !state.note(&answer) {
                        break;
                    }
                }
                answer
            }),
        }
    }
}

impl<S: Clone> Clone for Failover<S> {
    fn clone(&self) -> Self {
        Self {
            ways: self.ways.clone(),
        }
    }
}

impl<S> fmt::Debug for Failover<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A request on its way, by one way or the other: the future of [`Failover`].
///
/// Dropping it closes what the way in question has opened.
pub struct FailoverFuture<R> {
    asking: Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>,
}

impl<R> Future for FailoverFuture<R> {
    type Output = Result<R, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.asking.as_mut().poll(cx)
    }
}

impl<R> fmt::Debug for FailoverFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverFuture").finish_non_exhaustive()
    }
}
