use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Weak},
};

use super::{
    Redis, WhileAway,
    held::{Answer, Sent},
    scripts,
    tunnel_counts::TunnelCounts,
};
use crate::{
    error::Refusal,
    layer::{
        limit::{Lease, TunnelStore},
        meter::QuotaKey,
    },
    session::Share,
};

/// Counts the open tunnels of each key over all nodes: a [`TunnelStore`]. Clones are one.
///
/// A tunnel counts from its admission until it ends, or until its node has not renewed it for a
/// [lease](super::RedisBuilder::lease). Tunnels that were admitted while Redis was away count once it is back, so that a key
/// can have more than its limit then; no more are admitted until enough have ended.
pub struct RedisTunnels<K>(Arc<TunnelCounts<K>>);

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
        let tunnels = Arc::new(TunnelCounts::new(redis, name, away));
        let kept: Weak<TunnelCounts<K>> = Arc::downgrade(&tunnels);
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
        let asking = Asking {
            key: key.clone(),
            sent: tunnels.send(key, 1),
            tunnels,
            is_answered: false,
        };
        Share::Later(Box::pin(asking.take(most)))
    }
}

impl<K> TunnelCounts<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Takes a place without asking.
    fn take_away(self: &Arc<Self>, key: &K, most: usize) -> Result<Option<Lease>, Refusal> {
        if self.away == WhileAway::Closed {
            return Err(WhileAway::refusal("limit tunnels"));
        }
        let is_local = self.away == WhileAway::Local;
        let nodes = self.redis.nodes();
        let opened = self.change_or_begin(key, |held| {
            let is_free = !is_local || (held.open as usize) < held.local(most, nodes);
            if is_free {
                held.open();
            }
            is_free
        });
        Ok(opened.then(|| self.lease(key)))
    }

    fn lease(self: &Arc<Self>, key: &K) -> Lease {
        Lease::new(Place {
            tunnels: Arc::clone(self),
            key: key.clone(),
        })
    }
}

/// A question for a place, which has been sent.
struct Asking<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    tunnels: Arc<TunnelCounts<K>>,
    key: K,
    sent: Sent,
    is_answered: bool,
}

impl<K> Asking<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    async fn take(mut self, most: usize) -> Result<Option<Lease>, Refusal> {
        loop {
            let redis = &self.tunnels.redis;
            let mut script = scripts::TUNNELS.prepare_invoke();
            script.key(self.tunnels.place(&self.key));
            for argument in self.tunnels.arguments(1, most, self.sent) {
                script.arg(argument);
            }
            let Ok(answer) = redis.shared.script::<Answer>(script).await else {
                let (tunnels, key) = (Arc::clone(&self.tunnels), self.key.clone());
                drop(self);
                return tunnels.take_away(&key, most);
            };
            let taken = self.tunnels.answered(&self.key, self.sent, answer);
            self.is_answered = true;
            if let Some(taken) = taken {
                return Ok(taken.then(|| self.tunnels.lease(&self.key)));
            }
            // Another epoch has begun meanwhile.
            self.sent = self.tunnels.send(&self.key, 1);
            self.is_answered = false;
        }
    }
}

impl<K> Drop for Asking<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.is_answered {
            self.tunnels.unanswered(&self.key, self.sent);
        }
    }
}

/// A place, until it is dropped.
struct Place<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    tunnels: Arc<TunnelCounts<K>>,
    key: K,
}

impl<K> Drop for Place<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.tunnels.ended(&self.key);
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
