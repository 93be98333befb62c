use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::{Admission, Lease, Limiter, TunnelStore};
use crate::{
    admission::{Backoff, Count, Counts, Fullest, LimitEvents, Permits},
    error::Refusal,
    layer::key::KeyExtractor,
    proto::ReplyCode,
    session::{Amount, Fullness, Request, Share, answered},
};

/// Bounds the open tunnels of each key: a [`Limiter`] whose permit rides in the tunnel. See the
/// [module](super) for an example.
///
/// A request counts from its admission, so dials count as well. Clones share the count.
///
/// How many a key may have can [depend on the request](Self::by_request). Where it has more open than its latest request
/// allows, those stay, and more are admitted once enough have ended.
///
/// Several proxies can have their counts in one [store](Self::with_store); what [`live`](Self::live), [`keys`](Self::keys)
/// and [`fullest`](Self::fullest) tell is about the tunnels of this process then.
#[derive(Clone)]
pub struct ConcurrentTunnels<F: KeyExtractor, A = usize> {
    key: F,
    most: A,
    wait: Option<Duration>,
    code: ReplyCode,
    /// Requests that have a permit and those that wait for one, which share permits by key.
    counts: Counts<F::Key, Arc<Permits>>,
    events: Arc<LimitEvents<F::Key>>,
    store: Option<Arc<dyn TunnelStore<F::Key>>>,
}

/// Between two questions to a store, of a request that waits for a tunnel of its key to end.
const ASK_AGAIN: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

impl<F: KeyExtractor> ConcurrentTunnels<F> {
    /// Admits `most` tunnels of each key. One more is refused with 02.
    pub fn new(most: usize, key: F) -> Self {
        Self::by_request(most, key)
    }
}

impl<F: KeyExtractor, A: Amount<usize>> ConcurrentTunnels<F, A> {
    /// Admits as many tunnels of a key as `most` says of its latest request. One more is refused with 02.
    pub fn by_request(most: A, key: F) -> Self {
        Self {
            key,
            most,
            wait: None,
            code: ReplyCode::NOT_ALLOWED,
            counts: Counts::default(),
            events: Arc::new(LimitEvents::new("tunnels")),
            store: None,
        }
    }

    /// Counts in a store as well, with which other proxies share the tunnels of their keys. What was cloned before does not.
    ///
    /// Requests that [wait](Self::wait) ask it again in growing intervals, up to a second.
    #[must_use]
    pub fn with_store(mut self, store: impl TunnelStore<F::Key>) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Has requests wait up to `limit` for a tunnel of their key to end, in order, before they are
    /// refused. Without it they are refused at once.
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

    /// Returns how many tunnels a key has, dials included.
    #[must_use]
    pub fn live(&self, key: &F::Key) -> usize {
        self.counts.shared(key).map_or(0, |permits| permits.used())
    }

    /// Returns how many keys have tunnels.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.counts.keys()
    }

    /// Returns the `most` keys that have the largest share of their tunnels, the fullest first. Looks at all keys.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<F::Key>> {
        let mut fullest = Fullest::new(most);
        self.counts.each(|key, permits| {
            fullest.see(key, permits.used() as u64, permits.most() as u64);
        });
        fullest.into_vec()
    }
}

impl<F: KeyExtractor, A: Amount<usize>> Limiter for ConcurrentTunnels<F, A> {
    type Permit = Option<TunnelPermit<F::Key>>;

    fn admit(&self, request: &Request) -> Admission<Self::Permit> {
        let amount = self.most.amount(request);
        let Some((most, key)) = amount.and_then(|most| Some((most, self.key.key(request)?))) else {
            return Admission::Permit(None);
        };
        let code = self.code;
        let count = self.counts.enter(key, || Arc::new(Permits::new(most)));
        count.shared().set(most);
        let events = Arc::clone(&self.events);
        let refusal = move |key: &F::Key| {
            Refusal::new(code, format!("{key:?} has {most} tunnels already"))
                .with_rule("limit tunnels")
        };
        if count.shared().try_take() {
            let permit = TunnelPermit::new(count, events);
            return match &self.store {
                None => Admission::Permit(Some(permit)),
                Some(store) => self.share(store, permit, most, refusal),
            };
        }
        events.reached(count.key());
        let Some(limit) = self.wait else {
            return Admission::Refused(refusal(count.key()));
        };
        let store = self.store.clone();
        Admission::Later(Box::pin(async move {
            let since = Instant::now();
            match timeout(limit, count.shared().take()).await {
                Ok(Ok(())) => {}
                // Nobody closes these permits.
                Ok(Err(_)) | Err(_) => return Err(refusal(count.key())),
            }
            let permit = TunnelPermit::new(count, events);
            let Some(store) = store else {
                return Ok(Some(permit));
            };
            let first = store.take(permit.key(), most);
            let limit = limit.saturating_sub(since.elapsed());
            leased(store, first, permit, most, Some(limit), refusal).await
        }))
    }
}

impl<F: KeyExtractor, A> ConcurrentTunnels<F, A> {
    /// Admits a request if the store has a place as well.
    fn share(
        &self,
        store: &Arc<dyn TunnelStore<F::Key>>,
        mut permit: TunnelPermit<F::Key>,
        most: usize,
        refusal: impl Fn(&F::Key) -> Refusal + Send + 'static,
    ) -> Admission<Option<TunnelPermit<F::Key>>> {
        let first = match store.take(permit.key(), most) {
            Share::Now(Some(lease)) => {
                permit.0.lease = Some(lease);
                return Admission::Permit(Some(permit));
            }
            Share::Now(None) if self.wait.is_none() => {
                permit.0.events.reached(permit.key());
                return Admission::Refused(refusal(permit.key()));
            }
            later => later,
        };
        let leased: BoxFuture<'static, _> = Box::pin(leased(
            Arc::clone(store),
            first,
            permit,
            most,
            self.wait,
            refusal,
        ));
        Admission::Later(leased)
    }
}

/// Asks a store until it has a place, or it is too late.
async fn leased<K: Hash + Eq + Clone + fmt::Debug + 'static>(
    store: Arc<dyn TunnelStore<K>>,
    first: Share<Option<Lease>>,
    mut permit: TunnelPermit<K>,
    most: usize,
    wait: Option<Duration>,
    refusal: impl Fn(&K) -> Refusal,
) -> Result<Option<TunnelPermit<K>>, Refusal> {
    let since = Instant::now();
    let mut share = first;
    for asked in 1.. {
        permit.0.lease = match share {
            Share::Now(lease) => lease,
            Share::Later(later) => answered(later).await?,
        };
        if permit.0.lease.is_some() {
            break;
        }
        permit.0.events.reached(permit.key());
        let pause = ASK_AGAIN.after(asked);
        if wait.is_none_or(|limit| since.elapsed() + pause > limit) {
            return Err(refusal(permit.key()));
        }
        sleep(pause).await;
        share = store.take(permit.key(), most);
    }
    Ok(Some(permit))
}

impl<F: KeyExtractor, A> fmt::Debug for ConcurrentTunnels<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentTunnels")
            .field("keys", &self.counts.keys())
            .finish_non_exhaustive()
    }
}

/// Counts as an open tunnel of a key until it is dropped: the permit of [`ConcurrentTunnels`].
pub struct TunnelPermit<K: Hash + Eq + Clone + fmt::Debug>(Box<Held<K>>);

/// Boxed, since tunnels without a limit keep room for a permit as well.
struct Held<K: Hash + Eq + Clone + fmt::Debug> {
    count: Count<K, Arc<Permits>>,
    events: Arc<LimitEvents<K>>,
    /// The place in a store.
    lease: Option<Lease>,
}

impl<K: Hash + Eq + Clone + fmt::Debug> TunnelPermit<K> {
    fn new(count: Count<K, Arc<Permits>>, events: Arc<LimitEvents<K>>) -> Self {
        Self(Box::new(Held {
            count,
            events,
            lease: None,
        }))
    }

    const fn key(&self) -> &K {
        self.0.count.key()
    }
}

impl<K: Hash + Eq + Clone + fmt::Debug> Drop for Held<K> {
    fn drop(&mut self) {
        // Before others of this process ask there.
        self.lease = None;
        // Before the count is given back, and the key may be forgotten.
        self.count.shared().give_back();
        self.events.left(self.count.key());
    }
}

impl<K: Hash + Eq + Clone + fmt::Debug> fmt::Debug for TunnelPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TunnelPermit").field(self.key()).finish()
    }
}
