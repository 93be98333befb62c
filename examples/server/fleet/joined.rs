//! The fleet that this server is a node of.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use tower_socks::{
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, Pace, RequestRate},
    },
    redis::{Redis, RedisRates, RedisTunnels},
    session::Amount,
};

use super::Stated;
use crate::limits::Subject;

/// What is in force. Clones share it.
#[derive(Clone)]
pub(crate) struct InForce(Arc<RwLock<Option<Arc<Joined>>>>);

/// A node of its own: what it counts goes by its name.
struct Joined {
    /// As the file has it.
    text: String,
    redis: Redis,
    tunnels: RedisTunnels<Subject>,
    requests: RedisRates<Subject>,
}

impl Joined {
    fn new(stated: &Stated) -> Option<Self> {
        let redis = match stated.builder.clone().build() {
            Ok(redis) => redis,
            Err(problem) => {
                tracing::error!("redis: {problem}");
                return None;
            }
        };
        tracing::info!(
            node = redis.node(),
            name = stated.name,
            prefix = stated.prefix,
            "limits are shared in Redis"
        );
        let away = stated.away;
        Some(Self {
            text: stated.text.clone(),
            tunnels: RedisTunnels::new(&redis, "tunnels").while_away(away.tunnels.into()),
            requests: RedisRates::new(&redis, "requests").while_away(away.requests.into()),
            redis,
        })
    }
}

impl InForce {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Puts in force what is stated. Where that is as before the connection stays, and so does the node. Otherwise this is
    /// another node from here on, and the one before ends with its last tunnel, which it counts until then.
    pub(crate) fn change(&self, stated: Option<&Stated>) {
        let mut joined = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let text = joined.as_ref().map(|joined| joined.text.as_str());
        if text == stated.map(|stated| stated.text.as_str()) {
            return;
        }
        if stated.is_none() {
            tracing::info!("limits are shared no more");
        }
        *joined = stated.and_then(Joined::new).map(Arc::new);
    }

    fn joined(&self) -> Option<Arc<Joined>> {
        let joined = self.0.read().unwrap_or_else(PoisonError::into_inner);
        joined.clone()
    }

    /// The same limit, over all nodes.
    pub(crate) fn tunnels<F: KeyExtractor<Key = Subject>, A: Amount<usize>>(
        &self,
        limit: ConcurrentTunnels<F, A>,
    ) -> ConcurrentTunnels<F, A> {
        match self.joined() {
            Some(joined) => limit.with_store(joined.tunnels.clone()),
            None => limit,
        }
    }

    /// The same limit, over all nodes.
    pub(crate) fn requests<F: KeyExtractor<Key = Subject>, A: Amount<Pace>>(
        &self,
        limit: RequestRate<F, A>,
    ) -> RequestRate<F, A> {
        match self.joined() {
            Some(joined) => limit.with_store(joined.requests.clone()),
            None => limit,
        }
    }

    /// Gives up what this node holds, in the end.
    pub(crate) async fn leave(&self) {
        if let Some(joined) = self.joined() {
            joined.redis.leave().await;
        }
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}
