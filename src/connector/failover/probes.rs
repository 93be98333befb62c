use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tower_service::Service;

use super::{Standing, down::Turns};
use crate::{
    admission::Listened,
    error::{BoxError, Chain},
};

/// What there may be between two probes.
const LEAST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// Probes an alternative every so often, whether clients send requests or not: active health checks.
///
/// Three failures in a row take it down, and two successes bring it up again, unless set otherwise. What requests of
/// clients find is noted as ever: one that works for nobody is down at once. While probes have found it down no answer
/// to a client's request brings it up.
///
/// ```
/// use std::time::Duration;
/// use tower_socks::{
///     Request, connector::{failover::{Failover, Probes, Standing}, upstream::Socks5Upstream},
///     proto::Command,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// let paris = Standing::new("paris");
/// let upstream = Socks5Upstream::new("192.0.2.1:1080");
/// let target = Request::new(Command::CONNECT, "example.com:443".parse()?);
/// let probes = Probes::new(Duration::from_secs(10)).timeout(Duration::from_secs(3));
/// tokio::spawn(probes.run(&paris, upstream.clone(), target));
///
/// let failover = Failover::new([(paris, upstream)]);
/// # _ = failover;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Probes {
    every: Duration,
    timeout: Duration,
    turns: Turns,
}

impl Probes {
    /// Probes every so often, from 10 ms to a day. Each wait is a tenth longer or shorter, and the first a part of one, by
    /// chance, so that a thousand servers that are started at once do not probe at once.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self {
            every,
            timeout: Duration::from_secs(3),
            turns: Turns {
                rise: 2,
                fall: 3,
                vouches: true,
            },
        }
    }

    /// Bounds the time of one probe: 3 s by default. What has not succeeded by then has failed.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how many successes in a row bring it up: 2 by default, 1 at least.
    #[must_use]
    pub const fn rise(mut self, successes: u32) -> Self {
        self.turns.rise = successes;
        self
    }

    /// Sets how many failures in a row take it down: 3 by default, 1 at least.
    #[must_use]
    pub const fn fall(mut self, failures: u32) -> Self {
        self.turns.fall = failures;
        self
    }

    /// Says that a success shows that the alternative can be reached, and no more: a failure of a client's request is not
    /// forgotten by it.
    #[must_use]
    pub const fn reach_only(mut self) -> Self {
        self.turns.vouches = false;
        self
    }

    /// Probes by asking `service` for `target`, for as long as the future is polled: spawn it. What is made is dropped.
    /// An error of whatever class is a failure.
    ///
    /// It ends by itself within a period of the end of all that has the [`Standing`].
    pub fn run<S, T>(
        self,
        standing: &Standing,
        service: S,
        target: T,
    ) -> impl Future<Output = ()> + use<S, T>
    where
        S: Service<T, Error: Into<BoxError>> + Clone,
        T: Clone,
    {
        let state = Arc::downgrade(&standing.0);
        let every = self.every.clamp(LEAST, MOST);
        async move {
            sleep(every.mul_f64(chance())).await;
            while state.strong_count() > 0 {
                // Those that have the standing may go meanwhile.
                let outcome = self.probe(service.clone(), target.clone()).await;
                let Some(state) = state.upgrade() else {
                    return;
                };
                match outcome {
                    (Ok(()), _) => state.probe_succeeded(self.turns),
                    (Err(error), is_warned) => {
                        state.probe_failed(self.turns, &Chain(&*error), is_warned);
                    }
                }
                drop(state);
                sleep(every.mul_f64(0.9 + 0.2 * chance())).await;
            }
        }
    }

    /// Asks once. Returns the outcome, and whether the log has a warning of it.
    async fn probe<S, T>(self, service: S, target: T) -> (Result<(), BoxError>, bool)
    where
        S: Service<T, Error: Into<BoxError>>,
    {
        let mut asking = pin!(Listened::new(service.oneshot(target)));
        let outcome = match timeout(self.timeout, asking.as_mut()).await {
            Ok(outcome) => outcome.map(drop).map_err(Into::into),
            Err(_) => Err(format!("no answer within {:?}", self.timeout).into()),
        };
        (outcome, asking.said().warning)
    }
}

/// Some number from 0 to 1.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(0);
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
