//! Alternatives, one after the other.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;
use tower::ServiceExt;
use tower_service::Service;

use super::{Classify, Standing, asking::Asking};
use crate::error::BoxError;

/// How alternatives are tried.
#[derive(Clone, Copy, Debug)]
pub(in crate::connector) struct Trying {
    pub(in crate::connector) classify: Classify,
    /// The time of an alternative behind which there is another one.
    pub(in crate::connector) share: Duration,
}

impl Trying {
    pub(in crate::connector) fn new() -> Self {
        Self {
            classify: Classify::default(),
            share: Duration::from_secs(10),
        }
    }

    /// Returns the outcome of the first alternative that no other one could better, and what `hold` makes of its
    /// standing before it is asked.
    pub(in crate::connector) async fn first_that_works<S, T, H>(
        self,
        mut alternatives: Vec<(Standing, S)>,
        target: T,
        mut hold: impl FnMut(&Standing) -> H,
    ) -> Result<(S::Response, H), BoxError>
    where
        S: Service<T, Error: Into<BoxError>>,
        T: Clone,
    {
        let last = alternatives.pop();
        for (standing, service) in alternatives {
            let held = hold(&standing);
            if let Some(outcome) = self.ask(&standing, service, target.clone()).await {
                return outcome.map(|response| (response, held));
            }
        }
        let Some((standing, service)) = last else {
            return Err("there are no alternatives".into());
        };
        let held = hold(&standing);
        let (outcome, _) = Asking::new(&standing.0, self.classify, service.oneshot(target)).await;
        outcome.map(|response| (response, held))
    }

    /// Asks an alternative, within its share of the time, and records what becomes of it. Returns the outcome, unless
    /// another one might do better.
    pub(super) async fn ask<S, T>(
        self,
        standing: &Standing,
        service: S,
        target: T,
    ) -> Option<Result<S::Response, BoxError>>
    where
        S: Service<T, Error: Into<BoxError>>,
    {
        let Self { classify, share } = self;
        let mut asking = pin!(Asking::new(&standing.0, classify, service.oneshot(target)));
        let Ok((outcome, others)) = timeout(share, asking.as_mut()).await else {
            asking.time_out(share);
            return None;
        };
        (!others).then_some(outcome)
    }
}

/// Puts those that are up first, in their order, and behind them those that are down: nothing else is left then.
pub(in crate::connector) fn up_first<A>(
    alternatives: impl IntoIterator<Item = A>,
    standing: impl Fn(&A) -> &Standing,
) -> impl Iterator<Item = A> {
    let (up, mut down): (Vec<_>, Vec<_>) = alternatives
        .into_iter()
        .partition(|alternative| standing(alternative).is_up());
    // The one that has been down for the longest time has the best chances.
    down.sort_by_key(|alternative| standing(alternative).0.down_until());
    up.into_iter().chain(down)
}
