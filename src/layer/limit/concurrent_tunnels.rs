use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{Admission, Limiter};
use crate::layer::key::KeyExtractor;
use crate::{admission::AtLimit, error::Refusal, proto::ReplyCode, session::Request};

/// Live tunnels for each key: a [`Limiter`] whose permit rides in the tunnel. See the
/// [module](super).
///
/// A request counts from here on, with its dial. Clones share the count.
#[derive(Clone)]
pub struct ConcurrentTunnels<F: KeyExtractor> {
    key: F,
    most: usize,
    wait: Option<Duration>,
    code: ReplyCode,
    places: Places<F::Key>,
}

type Places<K> = Arc<Known<K>>;

struct Known<K> {
    entries: Mutex<HashMap<K, Arc<Entry>>>,
    at_limit: AtLimit<K>,
}

/// The tunnels of one key.
struct Entry {
    semaphore: Semaphore,
    /// Those who have a permit, and those who wait for one.
    visitors: AtomicUsize,
}

impl<F: KeyExtractor> ConcurrentTunnels<F> {
    /// So many for each key. One more is refused with 02.
    pub fn new(most: usize, key: F) -> Self {
        Self {
            key,
            most: most.min(Semaphore::MAX_PERMITS),
            wait: None,
            code: ReplyCode::NOT_ALLOWED,
            places: Arc::new(Known {
                entries: Mutex::default(),
                at_limit: AtLimit::new("tunnels"),
            }),
        }
    }

    /// Has requests wait so long for one to end, in order, before they are refused.
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

    /// How many tunnels a key has now, those that are being dialled included.
    #[must_use]
    pub fn live(&self, key: &F::Key) -> usize {
        let places = lock(&self.places);
        places.get(key).map_or(0, |entry| {
            self.most - entry.semaphore.available_permits().min(self.most)
        })
    }

    /// How many keys have any.
    #[must_use]
    pub fn keys(&self) -> usize {
        lock(&self.places).len()
    }
}

impl<F: KeyExtractor> Limiter for ConcurrentTunnels<F> {
    type Permit = Option<TunnelPermit<F::Key>>;

    fn admit(&self, request: &Request) -> Admission<Self::Permit> {
        let Some(key) = self.key.key(request) else {
            return Admission::Permit(None);
        };
        let visit = Visit::new(&self.places, key, self.most);
        let permit = visit.entry.semaphore.try_acquire();
        if permit.map(SemaphorePermit::forget).is_ok() {
            return Admission::Permit(Some(TunnelPermit { visit }));
        }
        let (most, code) = (self.most, self.code);
        self.places.at_limit.reached(&visit.key);
        let refusal = move |key: &F::Key| {
            Refusal::new(code, format!("{key:?} has {most} tunnels already"))
                .with_rule("limit tunnels")
        };
        let Some(limit) = self.wait else {
            return Admission::Refused(refusal(&visit.key));
        };
        Admission::Later(Box::pin(async move {
            match timeout(limit, visit.entry.semaphore.acquire()).await {
                Ok(Ok(permit)) => permit.forget(),
                // Nobody closes these semaphores.
                Ok(Err(_)) | Err(_) => return Err(refusal(&visit.key)),
            }
            Ok(Some(TunnelPermit { visit }))
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

/// A live tunnel of a key: the permit of [`ConcurrentTunnels`].
pub struct TunnelPermit<K: Hash + Eq + Clone + fmt::Debug> {
    visit: Visit<K>,
}

impl<K: Hash + Eq + Clone + fmt::Debug> Drop for TunnelPermit<K> {
    fn drop(&mut self) {
        // Before the visit ends, and the key may be forgotten.
        self.visit.entry.semaphore.add_permits(1);
        self.visit.places.at_limit.left(&self.visit.key);
    }
}

impl<K: Hash + Eq + Clone + fmt::Debug> fmt::Debug for TunnelPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TunnelPermit")
            .field(&self.visit.key)
            .finish()
    }
}

/// One who has to do with a key, for as long as which the key is remembered.
struct Visit<K: Hash + Eq> {
    places: Places<K>,
    key: K,
    entry: Arc<Entry>,
}

impl<K: Hash + Eq + Clone> Visit<K> {
    fn new(places: &Places<K>, key: K, most: usize) -> Self {
        let mut guard = lock(places);
        let entry = match guard.get(&key) {
            Some(entry) => Arc::clone(entry),
            None => {
                let entry = Arc::new(Entry {
                    semaphore: Semaphore::new(most),
                    visitors: AtomicUsize::new(0),
                });
                guard.insert(key.clone(), Arc::clone(&entry));
                entry
            }
        };
        // Under the lock, so that nobody takes the key for forgotten.
        entry.visitors.fetch_add(1, Ordering::Relaxed);
        drop(guard);
        Self {
            places: Arc::clone(places),
            key,
            entry,
        }
    }
}

impl<K: Hash + Eq> Drop for Visit<K> {
    fn drop(&mut self) {
        if self.entry.visitors.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let mut places = lock(&self.places);
        // Somebody may have come in the meantime, or even have gone and taken the key along.
        let is_over = places.get(&self.key).is_some_and(|entry| {
            Arc::ptr_eq(entry, &self.entry) && entry.visitors.load(Ordering::Acquire) == 0
        });
        if is_over {
            places.remove(&self.key);
        }
    }
}

fn lock<K>(places: &Known<K>) -> MutexGuard<'_, HashMap<K, Arc<Entry>>> {
    places
        .entries
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
