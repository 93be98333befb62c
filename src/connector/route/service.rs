use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use tower::{ServiceExt, util::Oneshot};
use tower_service::Service;

use super::policy::SameRoute;
use crate::{
    proto::{Address, Command},
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
    judges_addresses: bool,
}

impl<S: Clone> Router<S> {
    /// Sends a request to the service of the first rule that matches, or to `rest` where none does.
    pub fn new(routes: impl IntoIterator<Item = (Rule, S)>, rest: S) -> Self {
        Self::with_map(RuleMap::new(routes), rest)
    }

    /// Sends a request to the service that `routes` choose: those of
    /// [`RuleMap::like`] know the groups and the time zone of other rules.
    #[must_use]
    pub const fn with_map(routes: RuleMap<S>, rest: S) -> Self {
        Self {
            routes,
            rest,
            judges_addresses: false,
        }
    }

    /// Judges the addresses of names as well, where they are resolved here: one that a rule would have sent to another
    /// service is refused. With a route for 10.0.0.0/8, a name that leads there takes no other one; it needs a rule with
    /// the name. Lookups (RESOLVE) are left alone: nothing is sent to what they find.
    #[must_use]
    pub const fn judge_addresses(mut self) -> Self {
        self.judges_addresses = true;
        self
    }

    /// Returns the service that a request would be sent to.
    #[must_use]
    pub fn choose(&self, request: &Request) -> &S {
        self.at(self.routes.rules().choose(request, Check::Stated).index)
    }

    /// Returns the service that a request would be sent to at another time.
    #[must_use]
    pub fn choose_at(&self, request: &Request, time: SystemTime) -> &S {
        let rules = self.routes.rules();
        self.at(rules.choose_at(request, Check::Stated, Some(time)).index)
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
        let has_addresses = self.judges_addresses
            && matches!(request.destination(), Some(Address::Name(..)))
            && !matches!(request.command, Command::RESOLVE | Command::RESOLVE_PTR);
        if choice.is_undecided || has_addresses {
            request.guard = request.guard.and(Arc::new(SameRoute {
                rules: self.routes.rules().clone(),
                chosen: choice.index,
                judges_addresses: self.judges_addresses,
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
