use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower::{ServiceExt, util::Oneshot};
use tower_service::Service;

use super::policy::SameRoute;
use crate::{
    rules::{Rule, RuleMap},
    session::{Check, Request},
};

/// Sends each request to the service that rules choose. See the [module](super).
///
/// Clones share the rules. A change of a route makes a new one.
#[derive(Clone)]
pub struct Router<S> {
    routes: RuleMap<S>,
    rest: S,
}

impl<S: Clone> Router<S> {
    /// Sends a request to the service of the first rule that matches, or to `rest` where none does.
    pub fn new(routes: impl IntoIterator<Item = (Rule, S)>, rest: S) -> Self {
        Self {
            routes: RuleMap::new(routes),
            rest,
        }
    }

    /// Returns the service that a request would be sent to.
    #[must_use]
    pub fn choose(&self, request: &Request) -> &S {
        self.at(self.routes.rules().choose(request, Check::Stated).index)
    }

    fn at(&self, index: Option<usize>) -> &S {
        index
            .and_then(|index| self.routes.values().get(index))
            .unwrap_or(&self.rest)
    }
}

impl<S: Service<Request> + Clone> Service<Request> for Router<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Request>;

    // Which one to ask is known with the request, and asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let choice = self.routes.rules().choose(&request, Check::Stated);
        if choice.is_undecided {
            request.guard = request.guard.and(Arc::new(SameRoute {
                rules: self.routes.rules().clone(),
                chosen: choice.index,
            }));
        }
        self.at(choice.index).clone().oneshot(request)
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
