use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use super::{By, Counted, by::place};
use crate::{
    connector::failover::{Classify, InUse, Standing, Trying, up_first},
    error::BoxError,
    session::Request,
};

/// Spreads requests over alternatives. See the [module](super).
///
/// Clones share what is known about the alternatives.
pub struct Balance<S> {
    alternatives: Vec<Alternative<S>>,
    by: By,
    trying: Trying,
    /// Where those of the same load begin.
    turn: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Alternative<S> {
    standing: Standing,
    service: S,
    weight: u32,
}

impl<S> Balance<S> {
    /// Spreads requests over these alternatives by [load](By::Load), each under the name that it has in the log, or with a
    /// [`Standing`] that others share. All weigh the same.
    pub fn new<N: Into<Standing>>(alternatives: impl IntoIterator<Item = (N, S)>) -> Self {
        let alternatives = alternatives
            .into_iter()
            .map(|(standing, service)| Alternative {
                standing: standing.into(),
                service,
                weight: 1,
            });
        Self {
            alternatives: alternatives.collect(),
            by: By::default(),
            trying: Trying::new(),
            turn: Arc::default(),
        }
    }

    /// Chooses by this.
    #[must_use]
    pub const fn by(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    /// Sets the weights, in the order of the alternatives: one of 2 takes twice as many tunnels or keys as one of 1, the
    /// default. A weight of 0 is one of 1. What is left out stays as it is.
    #[must_use]
    pub fn weights(mut self, weights: impl IntoIterator<Item = u32>) -> Self {
        for (alternative, weight) in self.alternatives.iter_mut().zip(weights) {
            alternative.weight = weight.max(1);
        }
        self
    }

    /// Bounds the time that an alternative has, unless it is the last one to be tried: 10 s by default. What is above bounds
    /// the whole.
    #[must_use]
    pub const fn share(mut self, limit: Duration) -> Self {
        self.trying.share = limit;
        self
    }

    /// Classifies failures by this.
    #[must_use]
    pub const fn classify(mut self, classify: Classify) -> Self {
        self.trying.classify = classify;
        self
    }

    /// The alternatives in the order in which they would be tried for a request.
    fn order(&self, request: &Request) -> impl Iterator<Item = &Alternative<S>> {
        let mut alternatives: Vec<_> = self.alternatives.iter().collect();
        match self.by.key(request) {
            Some(key) => alternatives.sort_by(|one, other| {
                let place = |it: &Alternative<S>| place(key, it.standing.name(), it.weight);
                place(one).total_cmp(&place(other))
            }),
            None => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                let first = turn.checked_rem(alternatives.len()).unwrap_or_default();
                alternatives.rotate_left(first);
                alternatives.sort_by_cached_key(|it| it.load());
            }
        }
        up_first(alternatives, |alternative| &alternative.standing)
    }

    /// Returns the names of the alternatives in the order in which they would be tried for a request now.
    #[must_use]
    pub fn names(&self, request: &Request) -> Vec<&str> {
        let order = self.order(request);
        order
            .map(|alternative| alternative.standing.name())
            .collect()
    }
}

impl<S> Alternative<S> {
    /// With one more, for the weight.
    fn load(&self) -> u64 {
        let tunnels = u64::try_from(self.standing.in_use()).unwrap_or(u64::MAX);
        // In fine steps: 2 of 3 are more than 1 of 2.
        tunnels.saturating_add(1).saturating_mul(1 << 32) / u64::from(self.weight)
    }
}

impl<S> Service<Request> for Balance<S>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    S::Response: Send,
{
    type Response = Counted<S::Response>;
    type Error = BoxError;
    type Future = BalanceFuture<S::Response>;

    // Each alternative is asked when it is its turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let order = self.order(&request);
        let alternatives: Vec<_> = order
            .map(|it| (it.standing.clone(), it.service.clone()))
            .collect();
        // From now on, so that requests that come at once see each other.
        let mut chosen = alternatives
            .first()
            .map(|(standing, _)| InUse::new(standing));
        let trying = self.trying;
        BalanceFuture::new(async move {
            let hold = |standing: &Standing| chosen.take().unwrap_or_else(|| InUse::new(standing));
            let outcome = trying.first_that_works(alternatives, request, hold).await;
            outcome.map(|(response, in_use)| Counted::new(response, in_use))
        })
    }
}

impl<S: Clone> Clone for Balance<S> {
    fn clone(&self) -> Self {
        Self {
            alternatives: self.alternatives.clone(),
            by: self.by,
            trying: self.trying,
            turn: Arc::clone(&self.turn),
        }
    }
}

impl<S> fmt::Debug for Balance<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standings = self.alternatives.iter().map(|it| &it.standing);
        f.debug_list().entries(standings).finish()
    }
}

opaque_future! {
    /// Tries the best alternative, and the next ones after failures: the future of [`Balance`].
    ///
    /// Dropping it closes what the alternative in question has opened.
    pub struct BalanceFuture<R> = Result<Counted<R>, BoxError>;
}
