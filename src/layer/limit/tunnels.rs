use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{Admission, Limiter, key::KeyOf};
use crate::{error::Refusal, proto::ReplyCode, session::Request};

/// Live tunnels for each key: a [`Limiter`] whose permit rides in the tunnel. See the
/// [module](super).
///
/// A request counts from here on, with its dial. Clones share the count.
#[derive(Clone)]
pub struct Tunnels<F: KeyOf> {
    key: F,
    most: usize,
    wait: Option<Duration>,
    code: ReplyCode,
    places: Places<F::Key>,
}

type Places<K> = Arc<Mutex<HashMap<K, Entry>>>;

/// The tunnels of one key.
struct Entry {
    semaphore: Arc<Semaphore>,
    /// Those who have a permit, and those who wait for one.
    visitors: usize,
}

impl<F: KeyOf> Tunnels<F> {
    /// So many for each key. One more is refused with 02.
    pub fn new(most: usize, key: F) -> Self {
        Self {
            key,
            most: most.min(Semaphore::MAX_PERMITS),
            wait: None,
            code: ReplyCode::NOT_ALLOWED,
            places: Places::default(),
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

impl<F: KeyOf> Limiter for Tunnels<F> {
    type Permit = Option<TunnelPermit<F::Key>>;

    fn admit(&self, request: &Request) -> Admission<Self::Permit> {
        let Some(key) = self.key.key(request) else {
            return Admission::Permit(None);
        };
        let visit = Visit::new(&self.places, key, self.most);
        if let Ok(permit) = Arc::clone(&visit.semaphore).try_acquire_owned() {
            return Admission::Permit(Some(TunnelPermit::new(permit, visit)));
        }
        let (most, code) = (self.most, self.code);
        let refusal =
            move |key: &F::Key| Refusal::new(code, format!("{key:?} has {most} tunnels already"));
        let Some(limit) = self.wait else {
            return Admission::Refused(refusal(&visit.key));
        };
        Admission::Later(Box::pin(async move {
            let permit = Arc::clone(&visit.semaphore).acquire_owned();
            match timeout(limit, permit).await {
                Ok(Ok(permit)) => Ok(Some(TunnelPermit::new(permit, visit))),
                // Nobody closes these semaphores.
                Ok(Err(_)) | Err(_) => Err(refusal(&visit.key)),
            }
        }))
    }
}

impl<F: KeyOf> fmt::Debug for Tunnels<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnels")
            .field("most", &self.most)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// A live tunnel of a key: the permit of [`Tunnels`].
pub struct TunnelPermit<K: Hash + Eq> {
    // Dropped in this order: the permit is back before the key may be forgotten.
    _permit: OwnedSemaphorePermit,
    visit: Visit<K>,
}

impl<K: Hash + Eq> TunnelPermit<K> {
    const fn new(permit: OwnedSemaphorePermit, visit: Visit<K>) -> Self {
        Self {
            _permit: permit,
            visit,
        }
    }
}

impl<K: Hash + Eq + fmt::Debug> fmt::Debug for TunnelPermit<K> {
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
    semaphore: Arc<Semaphore>,
}

impl<K: Hash + Eq + Clone> Visit<K> {
    fn new(places: &Places<K>, key: K, most: usize) -> Self {
        let mut guard = lock(places);
        let entry = guard.entry(key.clone()).or_insert_with(|| Entry {
            semaphore: Arc::new(Semaphore::new(most)),
            visitors: 0,
        });
        entry.visitors += 1;
        let semaphore = Arc::clone(&entry.semaphore);
        drop(guard);
        Self {
            places: Arc::clone(places),
            key,
            semaphore,
        }
    }
}

impl<K: Hash + Eq> Drop for Visit<K> {
    fn drop(&mut self) {
        let mut places = lock(&self.places);
        if let Some(entry) = places.get_mut(&self.key) {
            entry.visitors -= 1;
            if entry.visitors == 0 {
                places.remove(&self.key);
            }
        }
    }
}

fn lock<K>(places: &Mutex<HashMap<K, Entry>>) -> MutexGuard<'_, HashMap<K, Entry>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}
