use std::{
    fmt,
    future::Future,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};
use tower_service::Service;

use super::{
    Classify, Standing,
    trying::{Trying, up_first},
};
use crate::error::BoxError;

/// Sends each request to the first alternative that works. See the [module](super).
///
/// Alternatives that are up are tried first, in the given order; then those that are down, since
/// nothing else is left. The next one is tried where the failure of the one before was its own or the
/// request's, and where it has said nothing within its [share of the time](Self::share). The outcome
/// of the last one is the response. Clones share what is known about the alternatives.
pub struct Failover<S> {
    alternatives: Vec<(Standing, S)>,
    trying: Trying,
}

impl<S> Failover<S> {
    /// Creates a failover between these alternatives, best first, each under the name that it has in
    /// the log, or with a [`Standing`] that others share.
    pub fn new<N: Into<Standing>>(alternatives: impl IntoIterator<Item = (N, S)>) -> Self {
        let alternatives = alternatives.into_iter();
        let alternatives = alternatives.map(|(standing, service)| (standing.into(), service));
        Self {
            alternatives: alternatives.collect(),
            trying: Trying::new(),
        }
    }

    /// Bounds the time that an alternative has, unless it is the last one to be tried: 10 s by
    /// default. What is above bounds the whole, a `timeout` for one, which has to leave time for all
    /// of them.
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
            trying,
        } = self.clone();
        async move {
            let mut turns = interval(period.max(Duration::from_millis(1)));
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                let asking = alternatives.iter().map(|(standing, service)| {
                    trying.ask(standing, service.clone(), target.clone())
                });
                let mut asking: FuturesUnordered<_> = asking.collect();
                while asking.next().await.is_some() {}
            }
        }
    }

    /// The alternatives in the order in which they would be tried now.
    fn order(&self) -> impl Iterator<Item = &(Standing, S)> {
        up_first(&self.alternatives, |(standing, _)| standing)
    }

    /// Returns the names of the alternatives in the order in which they would be tried now.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.order().map(|(standing, _)| standing.name()).collect()
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
        let trying = self.trying;
        FailoverFuture::new(async move {
            let outcome = trying.first_that_works(alternatives, target, |_| ()).await;
            outcome.map(|(response, ())| response)
        })
    }
}

impl<S: Clone> Clone for Failover<S> {
    fn clone(&self) -> Self {
        Self {
            alternatives: self.alternatives.clone(),
            trying: self.trying,
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
