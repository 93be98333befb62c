use std::{
    fmt,
    hash::Hash,
    sync::{Arc, PoisonError, Weak},
};

use super::{Redis, WhileAway, account::Account, accounts::Accounts, days::Days, statement::Used};
use crate::{
    admission::Fullest,
    layer::meter::{PeriodStore, Periods, QuotaKey, QuotaStore, Quotas},
    session::{Fullness, Share},
};

/// Counts the bytes of each key in days and months of the calendar, over all nodes: for
/// [`CalendarQuota::new`](crate::layer::meter::CalendarQuota::new). Clones are one.
///
/// A node leases bytes of a key, a few at first and then what moves in about a second, and its tunnels use them without asking; the
/// next lease is fetched when half of one is used. What a node has used is written down with each lease and each renewal, so that
/// not a byte more moves than a quota has. Towards its end leases are small: a tunnel can end while other nodes hold the last
/// 16 KiB each.
///
/// **A crash** loses what was used of one lease; the rest of it is free after the [lease](super::RedisBuilder::lease). **While Redis is
/// away** a node goes on with its lease, and by [`WhileAway::Local`] with its part of what was left when Redis has last answered; what it
/// has used by then counts once Redis is back. A Redis that has lost what it knew is told again what is used by nodes that are
/// there: let it save its data.
///
/// **Days and months** begin by Redis's clock. All nodes are given the same [`Periods`]. What a key has used stays in Redis for two
/// days after it was last written, and for 40 where there is a quota of the month: some 200 octets for each key and node.
///
/// 65,536 keys are remembered here; where there are more, those that use nothing are forgotten, and have the quotas of all until their
/// next request. What they have used stays in Redis.
///
/// ```
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_socks::{
///     Connector, Identity, Request,
///     layer::{
///         key,
///         limit::{ConcurrentTunnels, LimitLayer},
///         meter::{CalendarQuota, MeterLayer, Periods, Quotas, Rates},
///     },
///     proto::{Address, Command},
///     redis::{Redis, RedisBandwidth, RedisQuotas, RedisTunnels},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// # let url = "redis://127.0.0.1:1";
/// let redis = Redis::builder(url)?.build()?;
/// let tunnels = ConcurrentTunnels::new(2, key::user);
/// let tunnels = tunnels.with_store(RedisTunnels::new(&redis, "users"));
/// let quotas = Quotas::new().day(1_000_000);
/// let store = RedisQuotas::new(&redis, "users", quotas, Periods::new());
/// let quota = CalendarQuota::new(store.clone(), quotas, key::user);
/// let rates = Rates::new().down(10_000_000);
/// let service = ServiceBuilder::new()
///     // Both are asked at once. The meter asks no more then.
///     .layer(LimitLayer::new((tunnels, quota.limiter())))
///     .layer(MeterLayer::new(quota))
///     .layer(MeterLayer::new(RedisBandwidth::new(&redis, "users", rates, key::user)))
///     .service(Connector::direct());
///
/// # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
/// request.identity = Identity::named("joe");
/// let tunnel = service.clone().oneshot(request.clone()).await?;
/// # drop(tunnel);
/// // Also where Redis is away, as it is here: this is what it has used so far.
/// assert_eq!(store.used(&"joe".into()), (0, 0));
/// # Ok(())
/// # }
/// ```
pub struct RedisQuotas<K>(Arc<Accounts<K>>, Periods);

impl<K> RedisQuotas<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Counts for the limit of this name, which all nodes give it. Each key that has none of its own has these quotas.
    pub fn new(redis: &Redis, name: &str, quotas: Quotas, periods: Periods) -> Self {
        let store = Self::with(redis, name, WhileAway::default(), periods);
        store.set_quotas(quotas);
        store
    }

    /// Sets what it does while Redis is away. What was cloned before counts for itself.
    #[must_use]
    pub fn while_away(self, away: WhileAway) -> Self {
        let store = Self::with(&self.0.redis, &self.0.name, away, self.1);
        store.set_quotas(self.0.quotas());
        store
    }

    fn with(redis: &Redis, name: &str, away: WhileAway, periods: Periods) -> Self {
        let days = Days::new(periods.clone());
        let accounts = Arc::new(Accounts::new(redis.clone(), name.into(), away, days));
        let kept: Weak<Accounts<K>> = Arc::downgrade(&accounts);
        redis.shared.keep(kept);
        Self(accounts, periods)
    }

    /// Sets the quotas of all keys that have none of their own.
    pub fn set_quotas(&self, quotas: Quotas) {
        *self.0.quotas.lock().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// Sets the quotas of all keys that are remembered. Where that is `None` they are those of all.
    pub fn allow_all(&self, quotas: impl Fn(&K) -> Option<Quotas>) {
        for (key, account) in self.0.lock().iter_mut() {
            account.allow(quotas(key));
        }
    }

    /// Returns what a key has used of this day and of this month, in bytes: by this node, and by others when they were last heard of.
    #[must_use]
    pub fn used(&self, key: &K) -> (u64, u64) {
        let today = self.0.days.today();
        let used = self.0.lock().get_mut(key).map(|account| {
            account.begin(today);
            account.used()
        });
        let Used { day, month } = used.unwrap_or_default();
        (day, month)
    }

    /// Returns how many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.lock().len()
    }

    /// Returns the `most` keys that have used the largest share of a quota, the fullest first, as far as this node knows: of the
    /// day's or of the month's, whichever is fuller. Looks at all keys that are remembered.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<K>> {
        let (today, all) = (self.0.days.today(), self.0.quotas());
        let mut fullest = Fullest::new(most);
        for (key, account) in self.0.lock().iter_mut() {
            account.begin(today);
            let (used, quotas) = (account.used(), account.own.unwrap_or(all));
            quotas.look(key, (used.day, used.month), &mut fullest);
        }
        fullest.into_vec()
    }

    fn take_or_ask(&self, key: &K, bytes: u64) -> Share {
        if let Some(taken) = self.0.take(key, bytes) {
            return Share::Now(taken);
        }
        if !self.0.redis.is_up() {
            return match self.0.take_away(key, bytes) {
                Ok(taken) => Share::Now(taken),
                Err(refusal) => Share::refused(refusal),
            };
        }
        Share::Later(Box::pin(Arc::clone(&self.0).take_later(key.clone(), bytes)))
    }
}

impl<K> QuotaStore<K> for RedisQuotas<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn take(&self, key: &K, bytes: u64) -> Share {
        self.take_or_ask(key, bytes)
    }

    /// Costs no round trip where this node has a lease, or knew within a second that nothing is left.
    fn has_left(&self, key: &K) -> Share<bool> {
        let (store, of) = (self.clone(), key.clone());
        let has_left = move |taken| {
            store.give_back(&of, taken);
            taken > 0
        };
        match self.take_or_ask(key, 1) {
            Share::Now(taken) => Share::Now(has_left(taken)),
            later @ Share::Later(_) => later.map(has_left),
        }
    }

    fn give_back(&self, key: &K, bytes: u64) {
        if bytes > 0 {
            self.0
                .with(key, |account, quotas| account.give_back(bytes, quotas));
        }
    }

    /// Counts them in any case: what goes beyond the lease is with the next command.
    fn charge(&self, key: &K, bytes: u64) {
        self.0.with(key, |account, _| account.charge(bytes));
    }
}

impl<K> PeriodStore<K> for RedisQuotas<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn allow(&self, key: &K, quotas: Quotas) {
        let allow = |account: &mut Account, _| account.allow(Some(quotas));
        self.0.with(key, allow);
    }
}

impl<K> Clone for RedisQuotas<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl<K> fmt::Debug for RedisQuotas<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisQuotas")
            .field("name", &self.0.name)
            .field("away", &self.0.away)
            .finish_non_exhaustive()
    }
}
