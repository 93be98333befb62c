use std::{
    collections::HashMap,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, ready},
};

use tokio::time::{Sleep, sleep_until};

use super::{MakeMeter, token_bucket::Bucket};
use crate::layer::key::KeyExtractor;
use crate::{
    admission::held_back,
    error::Refusal,
    io::{Direction, Meter},
    session::Request,
};

/// Bounds the bytes a second of each key, in each direction: a [`MakeMeter`]. See the
/// [module](super).
///
/// All tunnels of a key share one token bucket a direction, by turns; clones share the buckets. After
/// a pause a tenth of a second's bytes may move at once.
#[derive(Clone)]
pub struct Bandwidth<F: KeyExtractor> {
    key: F,
    rates: Rates,
    shared: Known<F::Key>,
}

/// Rates for each [`Direction`], in bytes a second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    up: Option<u64>,
    down: Option<u64>,
    /// Every tunnel has its own.
    alone: bool,
}

type Known<K> = Arc<Mutex<HashMap<K, Weak<Buckets>>>>;

#[derive(Debug)]
struct Buckets {
    up: Option<Bucket>,
    down: Option<Bucket>,
    /// What the log says.
    key: Box<str>,
}

impl Buckets {
    fn held_back(&self, direction: Direction, is: bool) {
        let limit = match direction {
            Direction::Up => "bandwidth up",
            Direction::Down => "bandwidth down",
        };
        held_back(limit, &self.key, is);
    }

    fn new<K: fmt::Debug>(rates: Rates, key: &K) -> Arc<Self> {
        Arc::new(Self {
            up: rates.up.map(Bucket::new),
            down: rates.down.map(Bucket::new),
            key: format!("{key:?}").into(),
        })
    }

    const fn of(&self, direction: Direction) -> Option<&Bucket> {
        match direction {
            Direction::Up => self.up.as_ref(),
            Direction::Down => self.down.as_ref(),
        }
    }
}

/// A key without tunnels is not held back any more.
impl Drop for Buckets {
    fn drop(&mut self) {
        for direction in [Direction::Up, Direction::Down] {
            if self.of(direction).is_some_and(Bucket::relieve) {
                self.held_back(direction, false);
            }
        }
    }
}

impl<F: KeyExtractor> Bandwidth<F> {
    /// Creates a meter for the keys of this function, without limits yet.
    pub fn new(key: F) -> Self {
        Self {
            key,
            rates: Rates::default(),
            shared: Known::default(),
        }
    }

    /// Bounds bytes from clients to targets, for all tunnels of a key together.
    #[must_use]
    pub const fn up(mut self, bytes_per_second: u64) -> Self {
        self.rates.up = Some(bytes_per_second);
        self
    }

    /// Bounds bytes from targets to clients, for all tunnels of a key together.
    #[must_use]
    pub const fn down(mut self, bytes_per_second: u64) -> Self {
        self.rates.down = Some(bytes_per_second);
        self
    }

    /// Gives each tunnel that has a key a bucket of its own, instead of one to all of them together.
    #[must_use]
    pub const fn each(mut self) -> Self {
        self.rates.alone = true;
        self
    }

    /// Returns how many keys have tunnels that share a limit.
    #[must_use]
    pub fn keys(&self) -> usize {
        let known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|it| it.strong_count() > 0).count()
    }

    fn buckets(&self, key: F::Key) -> Arc<Buckets> {
        let mut known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buckets) = known.get(&key).and_then(Weak::upgrade) {
            return buckets;
        }
        // Keys without tunnels go when the map is about to grow.
        if known.len() == known.capacity() {
            known.retain(|_, buckets| buckets.strong_count() > 0);
        }
        let buckets = Buckets::new(self.rates, &key);
        known.insert(key, Arc::downgrade(&buckets));
        buckets
    }
}

impl<F: KeyExtractor> MakeMeter for Bandwidth<F> {
    type Meter = BandwidthMeter;

    fn meter(&self, request: &Request) -> Result<Option<BandwidthMeter>, Refusal> {
        if self.rates.up.is_none() && self.rates.down.is_none() {
            return Ok(None);
        }
        let buckets = self.key.key(request).map(|key| match self.rates.alone {
            true => Buckets::new(self.rates, &key),
            false => self.buckets(key),
        });
        Ok(buckets.map(|buckets| BandwidthMeter {
            up: Turn::default(),
            down: Turn::default(),
            buckets,
        }))
    }
}

impl<F: KeyExtractor> fmt::Debug for Bandwidth<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bandwidth")
            .field("rates", &self.rates)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// Bounds the bandwidth of one tunnel: the meter of [`Bandwidth`].
#[derive(Debug)]
pub struct BandwidthMeter {
    buckets: Arc<Buckets>,
    up: Turn,
    down: Turn,
}

/// The turn of a tunnel at a bucket, if it waits for one.
#[derive(Debug, Default)]
struct Turn {
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    fn poll(&mut self, cx: &mut Context<'_>, bucket: &Bucket) -> Poll<usize> {
        loop {
            if let Some(sleep) = &mut self.waiting {
                ready!(sleep.as_mut().poll(cx));
                self.waiting = None;
                bucket.leave();
            }
            match bucket.allowance() {
                Ok(bytes) => return Poll::Ready(bytes),
                Err(paid) => self.waiting = Some(Box::pin(sleep_until(bucket.join(paid)))),
            }
        }
    }
}

impl Meter for BandwidthMeter {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        let Some(bucket) = self.buckets.of(direction) else {
            return Poll::Ready(Ok(usize::MAX));
        };
        let turn = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        let allowance = turn.poll(cx, bucket);
        if allowance.is_pending() && bucket.press() {
            self.buckets.held_back(direction, true);
        }
        allowance.map(Ok)
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        if let Some(bucket) = self.buckets.of(direction) {
            let relieved = bucket.charge(bytes);
            if relieved {
                self.buckets.held_back(direction, false);
            }
        }
    }
}

impl Drop for BandwidthMeter {
    fn drop(&mut self) {
        for (turn, direction) in [(&self.up, Direction::Up), (&self.down, Direction::Down)] {
            if let (Some(_), Some(bucket)) = (&turn.waiting, self.buckets.of(direction)) {
                bucket.leave();
            }
        }
    }
}
