use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tower::ServiceExt;
use tower_service::Service;

use super::{Classify, asking::Asking, down::State};
use crate::error::BoxError;

/// Sends each request to the first alternative that works. See the [module](super).
///
/// Alternatives that are up are tried first, in the given order; then those that are down, since
/// nothing else is left. The next one is tried where the failure of the one before was its own or the
/// request's, and where it has said nothing within its [share of the time](Self::share). The outcome
/// of the last one is the response. Clones share what is known about the alternatives.
pub struct Failover<S> {
    alternatives: Vec<(Arc<State>, S)>,
    share: Duration,
}

/// The time of an alternative behind which there is another one.
const SHARE: Duration = Duration::from_secs(10);

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
            share: SHARE,
        }
    }

    /// Bounds the time that an alternative has, unless it is the last one to be tried: 10 s by
    /// default. What is above bounds the whole, a `timeout` for one, which has to leave time for all
    /// of them.
    #[must_use]
    pub const fn share(mut self, limit: Duration) -> Self {
        self.share = limit;
        self
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
            ..self
        }
    }

    /// Returns active checks, for as long as the future is polled: spawn it. Each alternative is asked
    /// for `target` at once and then every `period`, whether it is up or down, and the outcome is
    /// recorded as that of a client's request. What is made is dropped.
    ///
    /// Any answer of the alternative will do, a failure reply too, so that `target` need not exist.
    /// One that says nothing has the time of its [share](Self::share). `period` is 1 ms at least.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_socks::{
    ///     Request, connector::{failover::Failover, upstream::Socks5Upstream}, proto::Command,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// let failover = Failover::new(["192.0.2.1:1080", "192.0.2.2:1080"].map(|proxy| {
    ///     (proxy, Socks5Upstream::new(proxy))
    /// }));
    /// let target = Request::new(Command::CONNECT, "example.com:443".parse()?);
    /// let checks = tokio::spawn(failover.checks(Duration::from_secs(30), target));
    /// # checks.abort();
    /// # Ok(())
    /// # }
    /// ```
    pub fn checks<T>(&self, period: Duration, target: T) -> impl Future<Output = ()> + use<S, T>
    where
        S: Service<T, Error: Into<BoxError>> + Clone,
        T: Clone,
    {
        let Self {
            alternatives,
            share,
        } = self.clone();
        async move {
            let mut turns = interval(period.max(Duration::from_millis(1)));
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                let asking = alternatives
                    .iter()
                    .map(|(state, service)| ask(state, service.clone(), target.clone(), share));
                let mut asking: FuturesUnordered<_> = asking.collect();
                while asking.next().await.is_some() {}
            }
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
        let mut alternatives: Vec<_> = self.order().cloned().collect();
        let last = alternatives.pop();
        let share = self.share;
        FailoverFuture::new(async move {
            for (state, service) in alternatives {
                if let Some(outcome) = ask(&state, service, target.clone(), share).await {
                    return outcome;
                }
            }
            let Some((state, service)) = last else {
                return Err("failover has no alternatives".into());
            };
            let (outcome, _) = Asking::new(&state, service.oneshot(target)).await;
            outcome
        })
    }
}

/// Asks an alternative, within a limit, and records what becomes of it. Returns the outcome, unless
/// another one might do better.
async fn ask<S, T>(
    state: &Arc<State>,
    service: S,
    target: T,
    limit: Duration,
) -> Option<Result<S::Response, BoxError>>
where
    S: Service<T, Error: Into<BoxError>>,
{
    let mut asking = pin!(Asking::new(state, service.oneshot(target)));
    let Ok((outcome, others)) = timeout(limit, asking.as_mut()).await else {
        asking.time_out(limit);
        return None;
    };
    (!others).then_some(outcome)
}

impl<S: Clone> Clone for Failover<S> {
    fn clone(&self) -> Self {
        Self {
            alternatives: self.alternatives.clone(),
            share: self.share,
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
