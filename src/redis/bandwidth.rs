use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Redis, WhileAway,
    pool::{Pool, Source},
};
use crate::{
    io::{Direction, Meter},
    layer::{
        key::KeyExtractor,
        meter::{Bandwidth, MakeMeter, QuotaKey, Rates},
    },
    session::{Admission, Amount, Fullness, Request},
};

/// Keys without tunnels that are remembered.
const MOST: usize = 16 * 1024;

/// Keys that there may be before those that can be forgotten are looked for.
const CROWD: usize = 64;

/// For how long a key is remembered after its latest request: what is leased is used by its next one.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Bounds the bytes a second of each key, in each direction, over all nodes: a [`MakeMeter`]. Clones are one.
///
/// At each node it is a [`Bandwidth`], whose tunnels have turns. Beside that a node leases bytes of the key, 16 KiB at first and then up to
/// what moves in a tenth of a second; its tunnels use them without asking, and the next lease is fetched when half of one is used.
/// Where others have leased them all, tunnels are held back until there are some. So all nodes together move no more than the
/// rate allows, a burst, and a lease for each of them.
///
/// While Redis is away a node has by [`WhileAway::Local`] its part of the rate: of 100 MB/s with four nodes, 25. With
/// [`WhileAway::Open`] each has all of it. With [`WhileAway::Closed`] requests are refused, and open tunnels wait for Redis.
///
/// 16,384 keys without tunnels are remembered for at least ten seconds; what others had leased is lost.
#[derive(Clone)]
pub struct RedisBandwidth<F: KeyExtractor, A = Rates> {
    inner: Bandwidth<F, A>,
    key: F,
    rates: A,
    source: Arc<Source>,
    name: Arc<str>,
    known: Arc<Mutex<Known<F::Key>>>,
    tunnels: Arc<AtomicU64>,
}

struct Known<K> {
    keys: HashMap<K, (Arc<Pools>, Instant)>,
    crowd: usize,
}

/// What is leased of a key, up and down.
struct Pools {
    up: Arc<Pool>,
    down: Arc<Pool>,
}

impl Pools {
    fn set(&self, rates: Rates) {
        self.up.set(rates.up, rates.up_burst);
        self.down.set(rates.down, rates.down_burst);
    }

    const fn of(&self, direction: Direction) -> &Arc<Pool> {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

impl<F: KeyExtractor<Key: QuotaKey>, A: Amount<Rates>> RedisBandwidth<F, A> {
    /// Bounds by the limit of this name, which all nodes give it, the tunnels of a key by what `rates` says of its latest request:
    /// [`Rates`] for all, or a closure.
    pub fn new(redis: &Redis, name: &str, rates: A, key: F) -> Self {
        Self {
            inner: Bandwidth::by_request(rates.clone(), key.clone()),
            key,
            rates,
            source: Arc::new(Source {
                redis: redis.clone(),
                away: WhileAway::default(),
            }),
            name: name.into(),
            known: Arc::default(),
            tunnels: Arc::default(),
        }
    }

    /// Sets what it does while Redis is away. What was cloned before counts for itself.
    #[must_use]
    pub fn while_away(self, away: WhileAway) -> Self {
        let mut bandwidth = Self::new(&self.source.redis, &self.name, self.rates, self.key);
        bandwidth.source = Arc::new(Source {
            redis: self.source.redis.clone(),
            away,
        });
        bandwidth
    }

    /// Sets the rates of keys that have tunnels: see [`Bandwidth::set_rates`].
    pub fn set_rates(&self, rates: impl Fn(&F::Key) -> Option<Rates>) {
        self.inner.set_rates(&rates);
        // Not while they are locked: those that wait are woken.
        let all: Vec<_> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let all = known.keys.iter();
            all.map(|(key, (pools, _))| (key.clone(), Arc::clone(pools)))
                .collect()
        };
        for (key, pools) in all {
            pools.set(rates(&key).unwrap_or_default());
        }
    }

    /// Returns the `most` keys that have the largest share of their burst used at this node: see [`Bandwidth::fullest`].
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<F::Key>> {
        self.inner.fullest(most)
    }

    /// Returns how many keys have tunnels at this node.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.inner.keys()
    }

    fn pools(&self, key: &F::Key, rates: Rates) -> Arc<Pools> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((pools, seen)) = known.keys.get_mut(key) {
            *seen = Instant::now();
            let pools = Arc::clone(pools);
            drop(known);
            pools.set(rates);
            return pools;
        }
        if known.keys.len() >= known.crowd {
            known.forget();
        }
        let pool = |kind, direction| {
            let place = self
                .source
                .redis
                .shared
                .place(kind, &self.name, &key.write());
            Pool::new(&self.source, place, format!("{key:?}").into(), direction)
        };
        let pools = Arc::new(Pools {
            up: pool("up", Direction::Up),
            down: pool("down", Direction::Down),
        });
        pools.set(rates);
        let seen = (Arc::clone(&pools), Instant::now());
        known.keys.insert(key.clone(), seen);
        pools
    }
}

impl<F: KeyExtractor<Key: QuotaKey>, A: Amount<Rates>> MakeMeter for RedisBandwidth<F, A> {
    type Meter = SharedBandwidthMeter<<Bandwidth<F, A> as MakeMeter>::Meter>;

    /// Fetches a first lease, and does not wait for it.
    fn meter(&self, request: &Request) -> Admission<Option<Self::Meter>> {
        let (rates, key) = (self.rates.amount(request), self.key.key(request));
        let (Some(rates), Some(key)) = (rates, key) else {
            return Admission::Permit(None);
        };
        if self.source.away == WhileAway::Closed && !self.source.redis.is_up() {
            return Admission::Refused(WhileAway::refusal("limit bandwidth"));
        }
        let inner = match self.inner.meter(request).now() {
            Some(Ok(Some(inner))) => inner,
            Some(Err(refusal)) => return Admission::Refused(refusal),
            Some(Ok(None)) | None => return Admission::Permit(None),
        };
        let pools = self.pools(&key, rates);
        pools.up.prepare();
        pools.down.prepare();
        Admission::Permit(Some(SharedBandwidthMeter {
            inner,
            pools,
            tunnel: self.tunnels.fetch_add(1, Ordering::Relaxed),
        }))
    }
}

impl<K> Known<K> {
    /// Forgets keys without tunnels: those that have asked for nothing lately, and of too many all.
    fn forget(&mut self) {
        let is_used = |pools: &Arc<Pools>| Arc::strong_count(pools) > 1;
        let idle = self.keys.values().filter(|(pools, _)| !is_used(pools));
        let remembers = idle.count() <= MOST;
        self.keys
            .retain(|_, (pools, seen)| is_used(pools) || remembers && seen.elapsed() < REMEMBERED);
        self.crowd = (self.keys.len() * 2).clamp(CROWD, self.keys.len() + MOST / 2);
    }
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            crowd: CROWD,
        }
    }
}

impl<F: KeyExtractor, A> fmt::Debug for RedisBandwidth<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBandwidth")
            .field("name", &self.name)
            .field("away", &self.source.away)
            .finish_non_exhaustive()
    }
}

/// Bounds the bandwidth of one tunnel: the meter of [`RedisBandwidth`].
pub struct SharedBandwidthMeter<M> {
    inner: M,
    pools: Arc<Pools>,
    tunnel: u64,
}

impl<M: Meter> Meter for SharedBandwidthMeter<M> {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        // Its turn first, so that those who have to wait for bytes are few.
        let turn = ready!(self.inner.poll_allowance(cx, direction))?;
        let leased = ready!(self.pools.of(direction).poll(cx, self.tunnel));
        Poll::Ready(Ok(turn.min(leased)))
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        self.inner.moved(direction, bytes);
        self.pools.of(direction).moved(bytes);
    }
}

impl<M> Drop for SharedBandwidthMeter<M> {
    fn drop(&mut self) {
        for direction in [Direction::Up, Direction::Down] {
            self.pools.of(direction).leave(self.tunnel);
        }
    }
}

impl<M: fmt::Debug> fmt::Debug for SharedBandwidthMeter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBandwidthMeter")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
