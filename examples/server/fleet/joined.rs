//! The fleet that this server is a node of.

use std::{fmt, sync::Arc};

use tokio::sync::watch;
use tower_socks::{
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, Pace, RequestRate},
    },
    redis::{Redis, RedisNodes, RedisRates, RedisTunnels},
    session::Amount,
};

use super::{
    Stated,
    node::{ALONE, Node, Others},
};
use crate::{limits::Subject, status::Summary};

/// What is in force. Clones share it.
#[derive(Clone)]
pub(crate) struct InForce(watch::Sender<Option<Arc<Joined>>>);

/// A node of its own: what it counts goes by its name.
pub(super) struct Joined {
    /// As the file has it.
    text: String,
    pub(super) name: String,
    pub(super) page: Option<String>,
    pub(super) redis: Redis,
    pub(super) nodes: RedisNodes,
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
            name: stated.name.clone(),
            page: stated.page.clone(),
            nodes: RedisNodes::new(&redis),
            tunnels: RedisTunnels::new(&redis, "tunnels").while_away(away.tunnels.into()),
            requests: RedisRates::new(&redis, "requests").while_away(away.requests.into()),
            redis,
        })
    }
}

impl InForce {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// Puts in force what is stated. Where that is as before the connection stays, and so does the node. Otherwise this is
    /// another node from here on, and the one before ends with its last tunnel, which it counts until then.
    pub(crate) fn change(&self, stated: Option<&Stated>) {
        let joined = self.joined();
        let text = joined.as_ref().map(|joined| joined.text.as_str());
        if text == stated.map(|stated| stated.text.as_str()) {
            return;
        }
        if stated.is_none() {
            tracing::info!("limits are shared no more");
        }
        let joined = stated.and_then(Joined::new);
        self.0.send_replace(joined.map(Arc::new));
    }

    fn joined(&self) -> Option<Arc<Joined>> {
        self.0.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Arc<Joined>>> {
        self.0.subscribe()
    }

    /// This server as a node, if it is one.
    pub(crate) fn node(&self) -> Option<Node> {
        self.joined().map(|joined| Node {
            node: joined.redis.node().to_owned(),
            name: joined.name.clone(),
            up: joined.redis.is_up(),
            nodes: joined.redis.nodes(),
        })
    }

    /// What all nodes say of themselves. `None` where nobody hears.
    pub(crate) async fn summaries(&self) -> Option<Vec<Summary>> {
        let notes = self.joined()?.nodes.notes().await.ok()?;
        let summaries = notes
            .iter()
            .filter_map(|note| Summary::read(&note.node, &note.text));
        let mut summaries: Vec<_> = summaries.collect();
        summaries.sort_by(|one, another| one.name().cmp(another.name()));
        Some(summaries)
    }

    /// Has all others close the tunnels of a user.
    ///
    /// # Errors
    ///
    /// They were not asked.
    pub(crate) async fn close_elsewhere(&self, user: &str, by: &str) -> Result<Others, String> {
        let joined = self.joined().ok_or(ALONE)?;
        joined.close_elsewhere(user, by).await
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
