use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Admission, Limiter, Pace, RateStore, levels::Levels};
use crate::layer::key::KeyExtractor;
use crate::{
    admission::{Fullest, LimitEvents},
    error::Refusal,
    proto::ReplyCode,
    session::{Amount, Fullness, Request, Share, answered},
};

/// Bounds the rate of each key's requests: a [`Limiter`] by the generic cell rate algorithm. See the
/// [module](super).
///
/// A key's share refills evenly: after a burst, one of 10 a second is admitted each 100 ms. Clones
/// share the count.
///
/// The [`Pace`] of a key can [depend on the request](Self::by_request). What the key has asked for before is paid for at its
/// latest pace. Keys are remembered until they have paid, 131,072 of them; with more, those that have the least to pay are
/// forgotten.
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
pub struct RequestRate<F: KeyExtractor, A = Pace> {
    key: F,
    pace: A,
    wait: Option<Duration>,
    code: ReplyCode,
    shared: Arc<Shared<F::Key>>,
}

struct Shared<K> {
    counts: Counts<K>,
    at_limit: LimitEvents<K>,
}

/// Where requests are counted.
enum Counts<K> {
    Memory(Box<Levels<K>>),
    Store(Box<dyn RateStore<K>>),
}

impl<K> Counts<K> {
    /// Returns how many keys are remembered here.
    fn keys(&self) -> usize {
        match self {
            Self::Memory(levels) => levels.keys(),
            Self::Store(_) => 0,
        }
    }
}

impl<F: KeyExtractor> RequestRate<F> {
    /// Admits `most` requests a second of each key, and as many at once. One more is refused with 02.
    pub fn per_second(most: NonZeroU32, key: F) -> Self {
        Self::by_request(Pace::per_second(most.get()), key)
    }

    /// Admits `most` requests a minute of each key, and as many at once. One more is refused with 02.
    pub fn per_minute(most: NonZeroU32, key: F) -> Self {
        Self::by_request(Pace::per_minute(most.get()), key)
    }
}

impl<F: KeyExtractor, A: Amount<Pace>> RequestRate<F, A> {
    /// Admits the requests of a key at the pace that `pace` says of its latest request: a [`Pace`] for all, or a closure.
    /// One more is refused with 02.
    pub fn by_request(pace: A, key: F) -> Self {
        Self {
            key,
            pace,
            wait: None,
            code: ReplyCode::NOT_ALLOWED,
            shared: Arc::new(Shared {
                counts: Counts::Memory(Box::new(Levels::new())),
                at_limit: LimitEvents::new("requests"),
            }),
        }
    }

    /// Counts in a store, with which other proxies share the requests of their keys. What was cloned before counts in memory.
    ///
    /// Nothing is remembered here then: [`fullest`](Self::fullest) is empty.
    #[must_use]
    pub fn with_store(mut self, store: impl RateStore<F::Key>) -> Self {
        self.shared = Arc::new(Shared {
            counts: Counts::Store(Box::new(store)),
            at_limit: LimitEvents::new("requests"),
        });
        self
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

    /// Returns the `most` keys that have the largest share of their requests at once unpaid, the fullest first. Looks at
    /// all keys.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<F::Key>> {
        let mut fullest = Fullest::new(most);
        if let Counts::Memory(levels) = &self.shared.counts {
            levels.look(&mut fullest);
        }
        fullest.into_vec()
    }
}

impl<K> Shared<K>
where
    K: std::hash::Hash + Eq + Clone + fmt::Debug + 'static,
{
    /// Counts a request of the key, or returns how long it is until the key's turn.
    fn turn(&self, key: &K, pace: Pace) -> Share<Option<Duration>> {
        let share = match &self.counts {
            Counts::Memory(levels) => Share::Now(levels.turn(key, pace).err()),
            Counts::Store(store) => store.turn(key, pace),
        };
        if let Share::Now(denied) = share {
            self.note(key, denied);
        }
        share
    }

    /// Waits for the answer of a store.
    async fn answer(
        &self,
        key: &K,
        share: Share<Option<Duration>>,
    ) -> Result<Option<Duration>, Refusal> {
        match share {
            Share::Now(denied) => Ok(denied),
            Share::Later(later) => {
                let denied = answered(later).await?;
                self.note(key, denied);
                Ok(denied)
            }
        }
    }

    fn note(&self, key: &K, denied: Option<Duration>) {
        match denied {
            None => self.at_limit.left(key),
            Some(_) => self.at_limit.reached(key),
        }
    }
}

impl<F: KeyExtractor, A: Amount<Pace>> Limiter for RequestRate<F, A> {
    type Permit = ();

    fn admit(&self, request: &Request) -> Admission<()> {
        let amount = self.pace.amount(request);
        let Some((pace, key)) = amount.and_then(|pace| Some((pace, self.key.key(request)?))) else {
            return Admission::Permit(());
        };
        let first = self.shared.turn(&key, pace);
        if let Share::Now(None) = first {
            return Admission::Permit(());
        }
        let code = self.code;
        let refusal = move |key: &F::Key| {
            Refusal::new(code, format!("{key:?} asks too often")).with_rule("limit requests")
        };
        if let (Share::Now(Some(_)), None) = (&first, self.wait) {
            return Admission::Refused(refusal(&key));
        }
        let limit = self.wait.unwrap_or(Duration::ZERO);
        let shared = Arc::clone(&self.shared);
        Admission::Later(Box::pin(async move {
            let asked = Instant::now();
            let mut share = first;
            while let Some(turn) = shared.answer(&key, share).await? {
                if asked.elapsed().saturating_add(turn) > limit {
                    return Err(refusal(&key));
                }
                sleep(turn).await;
                share = shared.turn(&key, pace);
            }
            Ok(())
        }))
    }
}

impl<F: KeyExtractor, A> fmt::Debug for RequestRate<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRate")
            .field("keys", &self.shared.counts.keys())
            .finish_non_exhaustive()
    }
}
