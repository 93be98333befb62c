use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower::ServiceExt;
use tower_service::Service;

use super::{Classify, down::State};
use crate::error::BoxError;

/// Sends each request to the first alternative that works. See the [module](super).
///
/// Alternatives that are up are tried first, in the given order; then those that are down, since
/// nothing else is left. The next one is tried where the failure of the one before was its own or the
/// request's, and the outcome of the last one is the response. Clones share what is known about the
/// alternatives.
pub struct Failover<S> {
    alternatives: Vec<(Arc<State>, S)>,
}

impl<S> Failover<S> {
    /// Creates a failover between these alternatives, best first, each under the name that it has in
    /// the log.
    pub fn new<N: Into<Box<str>>>(alternatives: impl IntoIterator<Item = (N, S)>) -> Self {
        let alternatives = alternatives.into_iter().map(|(name, service)| {
            let state = State::new(name, Classify::default());
            (Arc::new(state), service)
        });
        Self {
            alternatives: alternatives.collect(),
        }
    }

    /// Classifies failures by this.
    #[must_use]
    pub fn classify(self, classify: Classify) -> Self {
        let alternatives = self.alternatives.into_iter().map(|(state, service)| {
            let state = State::new(state.name(), classify);
            (Arc::new(state), service)
        });
        Self {
            alternatives: alternatives.collect(),
        }
    }

    /// The alternatives in the order in which they would be tried now.
    fn order(&self) -> impl Iterator<Item = &(Arc<State>, S)> {
        let is_up = |(state, _): &&(Arc<State>, S)| state.down_until().is_none();
        let (up, mut down): (Vec<_>, Vec<_>) = self.alternatives.iter().partition(is_up);
        // The one that has been down for the longest time has the best chances.
        down.sort_by_key(|(state, _)| state.down_until());
        up.into_iter().chain(down)
    }

    /// Returns the names of the alternatives in the order in which they would be tried now.
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

    // Each alternative is asked when it is its turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        let alternatives: Vec<_> = self.order().cloned().collect();
        FailoverFuture::new(async move {
            let mut outcome = Err(BoxError::from("failover has no alternatives"));
            for (state, service) in alternatives {
                state.begin();
                outcome = service.oneshot(target.clone()).await.map_err(Into::into);
                if !state.record(&outcome) {
                    break;
                }
            }
            outcome
        })
    }
}

impl<S: Clone> Clone for Failover<S> {
    fn clone(&self) -> Self {
        Self {
            alternatives: self.alternatives.clone(),
        }
    }
}

impl<S> fmt::Debug for Failover<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

opaque_future! {
    /// Tries one alternative after the other: the future of [`Failover`].
    ///
    /// Dropping it closes what the alternative in question has opened.
    pub struct FailoverFuture<R> = Result<R, BoxError>;
}
