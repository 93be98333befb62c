use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use tokio::time::{Instant, sleep};

use super::{
    Admission, Limiter,
    clock::{Moment, TokioClock},
};
use crate::layer::key::KeyExtractor;
use crate::{admission::LimitEvents, error::Refusal, proto::ReplyCode, session::Request};

/// Keys that may be remembered before the expired ones are looked for.
const CROWD: usize = 4096;

/// Requests between two looks at how many keys there are: counting them takes longer than a request.
const LOOK: usize = 1024;

/// Bounds the rate of each key's requests: a [`Limiter`] by the generic cell rate algorithm. See the
/// [module](super).
///
/// A key's share refills evenly: after a burst, one of 10 a second is admitted each 100 ms. Clones
/// share the count.
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
/// # use tokio::time::{advance, pause};
/// use tower::{Layer, ServiceExt};
/// # use tower_socks::{BoxError, Request, proto::{Address, Command}, session::Connected};
/// use tower_socks::layer::{
///     key,
///     limit::{LimitLayer, RequestRate},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// let rate = RequestRate::per_minute(NonZeroU32::new(2).unwrap(), key::global);
/// # let request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
/// # let connector = tower::service_fn(async |_: Request| {
/// #     Ok::<_, BoxError>(Connected::new(tokio::io::duplex(64).0, Address::UNSPECIFIED))
/// # });
/// # pause();
/// let service = LimitLayer::new(rate).layer(connector);
/// let ask = async || service.clone().oneshot(request.clone()).await.is_ok();
/// assert!(ask().await && ask().await);
/// assert!(!ask().await);
///
/// // Half a minute later.
/// # advance(Duration::from_secs(31)).await;
/// assert!(ask().await);
/// assert!(!ask().await);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RequestRate<F: KeyExtractor> {
    key: F,
    wait: Option<Duration>,
    code: ReplyCode,
    shared: Arc<Shared<F::Key>>,
}

struct Shared<K: std::hash::Hash + Eq + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, TokioClock, NoOpMiddleware<Moment>>,
    clock: TokioClock,
    asked: AtomicUsize,
    at_limit: LimitEvents<K>,
    /// Keys that there may be before the expired ones are looked for.
    crowd: AtomicUsize,
}

impl<F: KeyExtractor> RequestRate<F> {
    /// Admits `most` requests a second of each key, and as many at once. One more is refused with 02.
    pub fn per_second(most: NonZeroU32, key: F) -> Self {
        Self::new(Quota::per_second(most), key)
    }

    /// Admits `most` requests a minute of each key, and as many at once. One more is refused with 02.
    pub fn per_minute(most: NonZeroU32, key: F) -> Self {
        Self::new(Quota::per_minute(most), key)
    }

    fn new(quota: Quota, key: F) -> Self {
        let clock = TokioClock::new();
        Self {
            key,
            wait: None,
            code: ReplyCode::NOT_ALLOWED,
            shared: Arc::new(Shared {
                limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()),
                clock,
                asked: AtomicUsize::new(0),
                at_limit: LimitEvents::new("requests"),
                crowd: AtomicUsize::new(CROWD),
            }),
        }
    }

    /// Has requests wait for their turn if it comes within `limit`. Without it they are refused at once.
    #[must_use]
    pub const fn wait(mut self, limit: Duration) -> Self {
        self.wait = Some(limit);
        self
    }

    /// Refuses with another code.
    #[must_use]
    pub const fn reply_code(mut self, code: ReplyCode) -> Self {
        self.code = code;
        self
    }
}

impl<K> Shared<K>
where
    K: std::hash::Hash + Eq + Clone + fmt::Debug,
{
    /// Counts a request of the key, or returns how long it is until the key's turn.
    fn turn(&self, key: &K) -> Option<Duration> {
        self.forget_expired();
        let denied = self.limiter.check_key(key).err();
        match &denied {
            None => self.at_limit.left(key),
            Some(_) => self.at_limit.reached(key),
        }
        denied.map(|denied| denied.wait_time_from(self.clock.now()))
    }

    /// Forgets expired keys, once there are many. Clients cannot fill the memory by coming from ever
    /// new addresses.
    fn forget_expired(&self) {
        if self.asked.fetch_add(1, Ordering::Relaxed) % LOOK != LOOK - 1
            || self.limiter.len() < self.crowd.load(Ordering::Relaxed)
        {
            return;
        }
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let next = (self.limiter.len() * 2).max(CROWD);
        self.crowd.store(next, Ordering::Relaxed);
    }
}

impl<F: KeyExtractor> Limiter for RequestRate<F> {
    type Permit = ();

    fn admit(&self, request: &Request) -> Admission<()> {
        let Some(key) = self.key.key(request) else {
            return Admission::Permit(());
        };
        let Some(mut turn) = self.shared.turn(&key) else {
            return Admission::Permit(());
        };
        let code = self.code;
        let refusal = move |key: &F::Key| {
            Refusal::new(code, format!("{key:?} asks too often")).with_rule("limit requests")
        };
        let Some(limit) = self.wait else {
            return Admission::Refused(refusal(&key));
        };
        let shared = Arc::clone(&self.shared);
        Admission::Later(Box::pin(async move {
            let asked = Instant::now();
            loop {
                if asked.elapsed().saturating_add(turn) > limit {
                    return Err(refusal(&key));
                }
                sleep(turn).await;
                match shared.turn(&key) {
                    None => return Ok(()),
                    Some(next) => turn = next,
                }
            }
        }))
    }
}

impl<F: KeyExtractor> fmt::Debug for RequestRate<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRate")
            .field("keys", &self.shared.limiter.len())
            .finish_non_exhaustive()
    }
}
