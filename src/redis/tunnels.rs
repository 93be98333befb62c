use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use ::redis::Pipeline;
use futures_util::future::BoxFuture;

use super::{
    Redis, WhileAway,
    held::{Held, Sent},
    kept::Kept,
    scripts,
    shared::Unanswered,
};
use crate::{
    error::Refusal,
    layer::{
        limit::{Lease, TunnelStore},
        meter::QuotaKey,
    },
    session::Share,
};

/// Keys that are written down at once.
const BATCH: usize = 256;

/// Counts the open tunnels of each key over all nodes: a [`TunnelStore`]. Clones are one.
///
/// A tunnel counts from its admission until it ends, or until its node has not renewed it for a
/// [lease](super::RedisBuilder::lease). Tunnels that were admitted while Redis was away count once it is back, so that a key
/// can have more than its limit then; no more are admitted until enough have ended.
pub struct RedisTunnels<K>(Arc<Tunnels<K>>);

struct Tunnels<K> {
    redis: Redis,
    name: Box<str>,
    away: WhileAway,
    /// Under which it writes down what it holds: that of the node, and a number for each that counts there.
    holder: String,
    keys: Mutex<HashMap<K, Held>>,
}

impl<K> RedisTunnels<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Counts for the limit of this name, which all nodes give it.
    pub fn new(redis: &Redis, name: &str) -> Self {
        Self::with(redis, name, WhileAway::default())
    }

    /// Sets what it does while Redis is away. What was cloned before counts for itself.
    #[must_use]
    pub fn while_away(self, away: WhileAway) -> Self {
        Self::with(&self.0.redis, &self.0.name, away)
    }

    fn with(redis: &Redis, name: &str, away: WhileAway) -> Self {
        let tunnels = Arc::new(Tunnels {
            redis: redis.clone(),
            name: name.into(),
            away,
            holder: redis.shared.holder(),
            keys: Mutex::default(),
        });
        let kept: Weak<Tunnels<K>> = Arc::downgrade(&tunnels);
        redis.keep(kept);
        Self(tunnels)
    }
}

impl<K> TunnelStore<K> for RedisTunnels<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn take(&self, key: &K, most: usize) -> Share<Option<Lease>> {
        let tunnels = Arc::clone(&self.0);
        if !tunnels.redis.is_up() {
            return match tunnels.take_away(key, most) {
                Ok(lease) => Share::Now(lease),
                Err(refusal) => Share::refused(refusal),
            };
        }
        let key = key.clone();
        let sent = tunnels.keys().entry(key.clone()).or_default().send();
        let asking = Asking {
            tunnels,
            key,
            is_answered: false,
        };
        Share::Later(Box::pin(asking.take(sent, most)))
    }
}

impl<K> Tunnels<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn keys(&self) -> MutexGuard<'_, HashMap<K, Held>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: &K) -> String {
        self.redis.place("tunnels", &self.name, &key.write())
    }

    /// Takes a place without asking.
    fn take_away(self: &Arc<Self>, key: &K, most: usize) -> Result<Option<Lease>, Refusal> {
        let mut keys = self.keys();
        let held = match keys.entry(key.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => match self.away {
                WhileAway::Closed => return Err(WhileAway::refusal("limit tunnels")),
                _ => entry.insert(Held::default()),
            },
        };
        let is_free = match self.away {
            WhileAway::Local => (held.open as usize) < held.local(most, self.redis.nodes()),
            WhileAway::Open => true,
            WhileAway::Closed => return Err(WhileAway::refusal("limit tunnels")),
        };
        if is_free {
            held.open += 1;
            held.unsure = true;
        }
        let forgotten = held.is_forgotten();
        if forgotten {
            keys.remove(key);
        }
        drop(keys);
        Ok(is_free.then(|| self.lease(key)))
    }

    fn lease(self: &Arc<Self>, key: &K) -> Lease {
        Lease::new(Place {
            tunnels: Arc::clone(self),
            key: key.clone(),
        })
    }

    /// Changes what is held of a key, and forgets it where that is nothing.
    fn change(&self, key: &K, change: impl FnOnce(&mut Held)) {
        if let Entry::Occupied(mut entry) = self.keys().entry(key.clone()) {
            change(entry.get_mut());
            if entry.get().is_forgotten() {
                entry.remove();
            }
        }
    }

    /// Takes what has to be written down, up to a batch.
    fn batch(&self, keys: &[K]) -> Vec<(K, Sent)> {
        let mut held = self.keys();
        let sent = keys.iter().filter_map(|key| {
            let held = held.get_mut(key)?;
            Some((key.clone(), held.send()))
        });
        sent.collect()
    }

    async fn write_down(&self, all: bool) {
        let keys: Vec<K> = {
            let held = self.keys();
            let wanted = held
                .iter()
                .filter(|(_, held)| all || held.ended > 0 || held.unsure && held.asking == 0);
            wanted.map(|(key, _)| key.clone()).collect()
        };
        for keys in keys.chunks(BATCH) {
            let batch = self.batch(keys);
            let mut commands = Pipeline::new();
            for (key, sent) in &batch {
                self.add(&mut commands, key, sent);
            }
            let answers = self
                .redis
                .shared
                .scripts::<Vec<(u32, u32, u32)>>(&scripts::TUNNELS, &commands)
                .await;
            match answers {
                Ok(answers) => {
                    for ((key, _), (_, mine, others)) in batch.iter().zip(answers) {
                        self.change(key, |held| held.answered(mine, others));
                    }
                }
                Err(Unanswered) => {
                    for (key, _) in &batch {
                        self.change(key, Held::unanswered);
                    }
                    return;
                }
            }
        }
    }

    fn add(&self, commands: &mut Pipeline, key: &K, sent: &Sent) {
        commands
            .cmd("EVALSHA")
            .arg(scripts::TUNNELS.get_hash())
            .arg(1)
            .arg(self.place(key))
            .arg(&self.holder)
            .arg(0)
            .arg(0)
            .arg(sent.held)
            .arg(sent.ended)
            .arg(millis(self.redis.lease()));
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<K> Kept for Tunnels<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn write(&self, all: bool) -> BoxFuture<'_, ()> {
        Box::pin(self.write_down(all))
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            for held in self.keys().values_mut() {
                held.open = 0;
                held.unsure = true;
            }
            self.write_down(true).await;
        })
    }
}

/// A question for a place, which has been sent.
struct Asking<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    tunnels: Arc<Tunnels<K>>,
    key: K,
    is_answered: bool,
}

impl<K> Asking<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    async fn take(mut self, sent: Sent, most: usize) -> Result<Option<Lease>, Refusal> {
        let redis = &self.tunnels.redis;
        let mut script = scripts::TUNNELS.prepare_invoke();
        script
            .key(self.tunnels.place(&self.key))
            .arg(&self.tunnels.holder)
            .arg(1)
            .arg(most.min(u32::MAX as usize))
            .arg(sent.held)
            .arg(sent.ended)
            .arg(millis(redis.lease()));
        let answer = redis.shared.script::<(u8, u32, u32)>(script).await;
        let Ok((taken, mine, others)) = answer else {
            let (tunnels, key) = (Arc::clone(&self.tunnels), self.key.clone());
            drop(self);
            return tunnels.take_away(&key, most);
        };
        self.is_answered = true;
        self.tunnels.change(&self.key, |held| {
            held.answered(mine, others);
            held.open += u32::from(taken);
        });
        Ok((taken > 0).then(|| self.tunnels.lease(&self.key)))
    }
}

impl<K> Drop for Asking<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        self.tunnels.change(&self.key, Held::unanswered);
        self.tunnels.redis.shared.news.notify_one();
    }
}

/// A place, until it is dropped.
struct Place<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    tunnels: Arc<Tunnels<K>>,
    key: K,
}

impl<K> Drop for Place<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.tunnels.change(&self.key, |held| {
            held.open = held.open.saturating_sub(1);
            held.ended = held.ended.saturating_add(1);
        });
        self.tunnels.redis.shared.news.notify_one();
    }
}

impl<K> Clone for RedisTunnels<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for RedisTunnels<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTunnels")
            .field("name", &self.0.name)
            .field("away", &self.0.away)
            .finish_non_exhaustive()
    }
}
