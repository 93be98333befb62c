//! The fleet that this server is a node of.

use std::{fmt, sync::Arc};

use tokio::sync::watch;
use tower_socks::{
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, FailedLoginsLayer, Limiter, Pace, RequestRate},
        meter::{Bandwidth, CalendarQuota, Periods, Quotas, Rates},
    },
    redis::{
        Redis, RedisBandwidth, RedisFailedLogins, RedisNodes, RedisQuotas, RedisRates, RedisTunnels,
    },
    session::Amount,
};

use super::{
    Stated,
    node::{ALONE, Node, Others},
    place::Place,
    users::{Changed, FleetUsers},
};
use crate::{
    limits::{self, Full, Limits, Of, Subject, Subjects, full_of_subjects, quotas_of, rates_of},
    status::Summary,
};

/// What is in force. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct InForce {
    joined: watch::Sender<Option<Arc<Joined>>>,
    changed: Changed,
}

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
    bandwidth: SharedBandwidth,
    quota: SharedQuota,
    failed: Option<FailedLoginsLayer>,
    users: Option<FleetUsers>,
}

type SharedBandwidth = RedisBandwidth<Subjects, Of<Rates>>;
type SharedQuota = CalendarQuota<Subjects, Of<Quotas>, RedisQuotas<Subject>>;

impl Joined {
    fn new(stated: &Stated, limits: &Limits, changed: &Changed) -> Option<Self> {
        let periods = limits.periods().unwrap_or_else(|problem| {
            tracing::error!("limits: {problem}");
            Periods::new()
        });
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
        let failed = stated.login_secret.as_ref().map(|secret| {
            let logins = RedisFailedLogins::new(&redis, "logins", secret);
            FailedLoginsLayer::new().with_store(logins.while_away(away.logins.into()))
        });
        if let Some(users) = &stated.users {
            users.set(Some(changed.follow(&redis)));
        }
        Some(Self {
            failed,
            users: stated.users.clone(),
            text: stated.all(limits),
            name: stated.name.clone(),
            page: stated.page.clone(),
            nodes: RedisNodes::new(&redis),
            tunnels: RedisTunnels::new(&redis, "tunnels").while_away(away.tunnels.into()),
            requests: RedisRates::new(&redis, "requests").while_away(away.requests.into()),
            bandwidth: SharedBandwidth::new(&redis, "bandwidth", rates_of, Subject::of)
                .while_away(away.bandwidth.into()),
            quota: SharedQuota::new(
                RedisQuotas::new(&redis, "quotas", Quotas::new(), periods)
                    .while_away(away.quotas.into()),
                quotas_of,
                Subject::of,
            ),
            redis,
        })
    }
}

impl InForce {
    /// Puts in force what is stated. Where that is as before the connection stays, and so does the node. Otherwise this is
    /// another node from here on, and the one before ends with its last tunnel, which it counts until then.
    pub(crate) fn change(&self, stated: Option<&Stated>, limits: &Limits) {
        let joined = self.joined();
        let text = joined.as_ref().map(|joined| joined.text.as_str());
        if text == stated.map(|stated| stated.all(limits)).as_deref() {
            let users = joined.as_ref().and_then(|joined| joined.users.as_ref());
            if let (Some(users), Some(stated)) = (users, stated.and_then(|it| it.users.as_ref())) {
                stated.set_like(users);
            }
            return;
        }
        if stated.is_none() {
            tracing::info!("limits are shared no more");
        }
        let joined = stated.and_then(|stated| Joined::new(stated, limits, &self.changed));
        self.joined.send_replace(joined.map(Arc::new));
    }

    /// Has open tunnels have what is in force by now.
    pub(crate) fn set(&self, limits: &limits::InForce) {
        if let Some(joined) = self.joined() {
            joined.bandwidth.set_rates(limits.rates());
            joined.quota.store().allow_all(limits.quotas());
        }
    }

    fn joined(&self) -> Option<Arc<Joined>> {
        self.joined.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Arc<Joined>>> {
        self.joined.subscribe()
    }

    /// Waits until accounts of its users have changed, or are gone, and returns whose.
    pub(crate) async fn changed_accounts(&self) -> Vec<Box<[u8]>> {
        self.changed.next().await
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

    /// The same failed logins, over all nodes if that is stated.
    pub(crate) fn failed_logins(&self, here: &FailedLoginsLayer) -> FailedLoginsLayer {
        let joined = self.joined();
        let shared = joined.as_ref().and_then(|joined| joined.failed.as_ref());
        let shared = shared.inspect(|shared| shared.set_like(here));
        shared.unwrap_or(here).clone()
    }

    /// The same bandwidth, over all nodes.
    pub(crate) fn bandwidth(
        &self,
        here: Bandwidth<Subjects, Of<Rates>>,
    ) -> Place<Bandwidth<Subjects, Of<Rates>>, SharedBandwidth> {
        match self.joined() {
            Some(joined) => Place::Together(joined.bandwidth.clone()),
            None => Place::Here(here),
        }
    }

    /// The same quotas, over all nodes.
    pub(crate) fn quota(
        &self,
        here: CalendarQuota<Subjects, Of<Quotas>>,
    ) -> Place<CalendarQuota<Subjects, Of<Quotas>>, SharedQuota> {
        match self.joined() {
            Some(joined) => Place::Together(joined.quota.clone()),
            None => Place::Here(here),
        }
    }

    /// Asks for a quota at the same time as for these limits.
    pub(crate) fn with_quota<L: Limiter>(&self, limiter: L) -> impl Limiter + use<L> {
        let quota = self.joined().map(|joined| joined.quota.limiter());
        (limiter, quota)
    }

    /// Who is closest to what is counted together.
    pub(crate) fn fullest(&self, most: usize) -> Vec<Full> {
        let Some(joined) = self.joined() else {
            return Vec::new();
        };
        [
            full_of_subjects("bandwidth", joined.bandwidth.fullest(most)),
            full_of_subjects("quota, bytes", joined.quota.store().fullest(most)),
        ]
        .concat()
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
