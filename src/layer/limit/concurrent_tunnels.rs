use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{Admission, Limiter};
use crate::{
    admission::{Count, Counts, LimitEvents},
    error::Refusal,
    layer::key::KeyExtractor,
    proto::ReplyCode,
    session::Request,
};

/// Bounds the open tunnels of each key: a [`Limiter`] whose permit rides in the tunnel. See the
/// [module](super) for an example.
///
/// A request counts from its admission, so dials count as well. Clones share the count.
#[derive(Clone)]
pub struct ConcurrentTunnels<F: KeyExtractor> {
    key: F,
    most: usize,
    wait: Option<Duration>,
    code: ReplyCode,
    /// Requests that have a permit and those that wait for one, which share a semaphore by key.
    counts: Counts<F::Key, Arc<Semaphore>>,
    events: Arc<LimitEvents<F::Key>>,
}

impl<F: KeyExtractor> ConcurrentTunnels<F> {
    /// Admits `most` tunnels of each key. One more is refused with 02.
    pub fn new(most: usize, key: F) -> Self {
        Self {
            key,
            most: most.min(Semaphore::MAX_PERMITS),
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
        self.counts.shared(key).map_or(0, |semaphore| {
            self.most - semaphore.available_permits().min(self.most)
        })
    }

    /// Returns how many keys have tunnels.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.counts.keys()
    }
}

impl<F: KeyExtractor> Limiter for ConcurrentTunnels<F> {
    type Permit = Option<TunnelPermit<F::Key>>;

    fn admit(&self, request: &Request) -> Admission<Self::Permit> {
        let Some(key) = self.key.key(request) else {
            return Admission::Permit(None);
        };
        let (most, code) = (self.most, self.code);
        let count = self.counts.enter(key, || Arc::new(Semaphore::new(most)));
        let events = Arc::clone(&self.events);
        let permit = count.shared().try_acquire();
        if permit.map(SemaphorePermit::forget).is_ok() {
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
            match timeout(limit, count.shared().acquire()).await {
                Ok(Ok(permit)) => permit.forget(),
                // Nobody closes these semaphores.
                Ok(Err(_)) | Err(_) => return Err(refusal(count.key())),
            }
            Ok(Some(TunnelPermit { count, events }))
        }))
    }
}

impl<F: KeyExtractor> fmt::Debug for ConcurrentTunnels<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentTunnels")
            .field("most", &self.most)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// Counts as an open tunnel of a key until it is dropped: the permit of [`ConcurrentTunnels`].
pub struct TunnelPermit<K: Hash + Eq + Clone + fmt::Debug> {
    count: Count<K, Arc<Semaphore>>,
    events: Arc<LimitEvents<K>>,
}

impl<K: Hash + Eq + Clone + fmt::Debug> Drop for TunnelPermit<K> {
    fn drop(&mut self) {
        // Before the count is given back, and the key may be forgotten.
        self.count.shared().add_permits(1);
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
