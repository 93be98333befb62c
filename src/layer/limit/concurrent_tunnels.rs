use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Admission, Limiter};
use crate::{
    admission::{Count, Counts, Fullest, LimitEvents, Permits},
    error::Refusal,
    layer::key::KeyExtractor,
    proto::ReplyCode,
    session::{Amount, Fullness, Request},
};

/// Bounds the open tunnels of each key: a [`Limiter`] whose permit rides in the tunnel. See the
/// [module](super) for an example.
///
/// A request counts from its admission, so dials count as well. Clones share the count.
///
/// How many a key may have can [depend on the request](Self::by_request). Where it has more open than its latest request
/// allows, those stay, and more are admitted once enough have ended.
#[derive(Clone)]
pub struct ConcurrentTunnels<F: KeyExtractor, A = usize> {
    key: F,
    most: A,
    wait: Option<Duration>,
    code: ReplyCode,
    /// Requests that have a permit and those that wait for one, which share permits by key.
    counts: Counts<F::Key, Arc<Permits>>,
    events: Arc<LimitEvents<F::Key>>,
}

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
        }
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
        if count.shared().try_take() {
            return Admission::Permit(Some(TunnelPermit { count, events }));
        }
        events.reached(count.key());
        let refusal = move |key: &F::Key| {
            Refusal::new(code, format!("{key:?} has {most} tunnels already"))
                .with_rule("limit tunnels")
        };
        let Some(limit) = self.wait else {
            return Admission::Refused(refusal(count.key()));
        };
        Admission::Later(Box::pin(async move {
            match timeout(limit, count.shared().take()).await {
                Ok(Ok(())) => {}
                // Nobody closes these permits.
                Ok(Err(_)) | Err(_) => return Err(refusal(count.key())),
            }
            Ok(Some(TunnelPermit { count, events }))
        }))
    }
}

impl<F: KeyExtractor, A> fmt::Debug for ConcurrentTunnels<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentTunnels")
            .field("keys", &self.counts.keys())
            .finish_non_exhaustive()
    }
}

/// Counts as an open tunnel of a key until it is dropped: the permit of [`ConcurrentTunnels`].
pub struct TunnelPermit<K: Hash + Eq + Clone + fmt::Debug> {
    count: Count<K, Arc<Permits>>,
    events: Arc<LimitEvents<K>>,
}

impl<K: Hash + Eq + Clone + fmt::Debug> Drop for TunnelPermit<K> {
    fn drop(&mut self) {
        // Before the count is given back, and the key may be forgotten.
        self.count.shared().give_back();
        self.events.left(self.count.key());
    }
}

impl<K: Hash + Eq + Clone + fmt::Debug> fmt::Debug for TunnelPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TunnelPermit")
            .field(self.count.key())
            .finish()
    }
}
