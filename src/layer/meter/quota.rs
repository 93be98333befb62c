use std::{
    fmt,
    hash::Hash,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::{Admission, MakeMeter, MemoryStore, QuotaStore};
use crate::layer::key::KeyExtractor;
use crate::{
    admission::LimitEvents,
    error::Refusal,
    io::{Direction, Meter},
    proto::ReplyCode,
    session::{Request, Share, answered},
};

/// What a tunnel takes ahead at first, in bytes. It is little, since a tunnel in which nothing moves
/// keeps it from others.
const SMALLEST: u64 = 4 * 1024;

/// What a tunnel takes ahead once much moves, in bytes.
const LARGEST: u64 = 256 * 1024;

/// Bounds the bytes of each key in a period, both directions together: a [`MakeMeter`]. See the
/// [module](super) for an example.
///
/// A key that has nothing left is refused with 02, and its open tunnels end. Not a byte more moves
/// than the quota has: datagrams are whole, and one that what is left has no room for is dropped, and
/// ends its association. Clones share the counts.
pub struct ByteQuota<F: KeyExtractor, S = MemoryStore<<F as KeyExtractor>::Key>> {
    key: F,
    code: ReplyCode,
    shared: Arc<Shared<F::Key, S>>,
}

struct Shared<K, S> {
    store: S,
    at_limit: LimitEvents<K>,
}

impl<F: KeyExtractor> ByteQuota<F> {
    /// Allows each key `bytes` in each period, counted in memory.
    pub fn new(bytes: u64, period: Duration, key: F) -> Self {
        Self::with_store(MemoryStore::new(bytes, period), key)
    }
}

impl<F: KeyExtractor, S: QuotaStore<F::Key>> ByteQuota<F, S> {
    /// Counts in a store of your own.
    pub fn with_store(store: S, key: F) -> Self {
        Self {
            key,
            code: ReplyCode::NOT_ALLOWED,
            shared: Arc::new(Shared {
                store,
                at_limit: LimitEvents::new("quota"),
            }),
        }
    }

    /// Refuses with another code.
    #[must_use]
    pub const fn reply_code(mut self, code: ReplyCode) -> Self {
        self.code = code;
        self
    }

    /// Returns the store that it counts in.
    pub fn store(&self) -> &S {
        &self.shared.store
    }

    /// Returns the key of a request.
    pub(super) fn key(&self, request: &Request) -> Option<F::Key> {
        self.key.key(request)
    }

    /// Makes the meter of a tunnel of this key.
    pub(super) fn meter_of(&self, key: F::Key) -> Admission<Option<QuotaMeter<F::Key, S>>> {
        let has_left = self.shared.store.has_left(&key);
        let meter = QuotaMeter {
            key,
            code: self.code,
            shared: Arc::clone(&self.shared),
            ahead: 0,
            next: SMALLEST,
            is_spent: false,
            later: None,
        };
        match has_left {
            Share::Now(is_open) => meter.judge(is_open).map(|()| Some(meter)).into(),
            Share::Later(later) => Admission::Later(Box::pin(async move {
                let is_open = answered(later).await?;
                meter.judge(is_open)?;
                Ok(Some(meter))
            })),
        }
    }
}

impl<F: KeyExtractor, S: QuotaStore<F::Key>> MakeMeter for ByteQuota<F, S> {
    type Meter = QuotaMeter<F::Key, S>;

    fn meter(&self, request: &Request) -> Admission<Option<Self::Meter>> {
        match self.key.key(request) {
            Some(key) => self.meter_of(key),
            None => Admission::Permit(None),
        }
    }
}

impl<F: KeyExtractor, S> Clone for ByteQuota<F, S> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            code: self.code,
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<F: KeyExtractor, S: fmt::Debug> fmt::Debug for ByteQuota<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteQuota")
            .field("store", &self.shared.store)
            .finish_non_exhaustive()
    }
}

/// Counts the bytes of one tunnel against a quota: the meter of [`ByteQuota`].
pub struct QuotaMeter<K, S>
where
    K: 'static,
    S: QuotaStore<K>,
{
    key: K,
    code: ReplyCode,
    shared: Arc<Shared<K, S>>,
    /// Bytes that are taken and not used yet.
    ahead: u64,
    /// Bytes to be taken next.
    next: u64,
    /// What was left had no room for a datagram.
    is_spent: bool,
    /// The answer of the store that the tunnel waits for.
    later: Option<Later>,
}

type Later = BoxFuture<'static, Result<u64, Refusal>>;

impl<K: Hash + Eq + Clone + fmt::Debug, S: QuotaStore<K>> QuotaMeter<K, S> {
    /// Ready with what may move now, and takes more from the store if nothing is left.
    fn poll_refill(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, Refusal>> {
        if self.ahead == 0 {
            if self.later.is_none() {
                self.take(self.next);
                self.next = (self.next * 4).min(LARGEST);
            }
            if let Some(later) = &mut self.later {
                let share = ready!(later.as_mut().poll(cx));
                self.later = None;
                self.ahead = share?;
            }
        }
        self.judge(self.ahead > 0 && !self.is_spent)?;
        Poll::Ready(Ok(self.ahead))
    }

    /// Takes bytes from the store, now or later, and returns those that it has now.
    fn take(&mut self, bytes: u64) -> u64 {
        match self.shared.store.take(&self.key, bytes) {
            Share::Now(taken) => {
                self.ahead = self.ahead.saturating_add(taken);
                taken
            }
            Share::Later(later) => {
                self.later = Some(Box::pin(answered(later)));
                0
            }
        }
    }

    /// Refuses a key that has nothing left, and logs when that changes.
    fn judge(&self, is_open: bool) -> Result<(), Refusal> {
        if is_open {
            self.shared.at_limit.left(&self.key);
            return Ok(());
        }
        self.shared.at_limit.reached(&self.key);
        let reason = format!("{:?} has used its quota up", self.key);
        Err(Refusal::new(self.code, reason).with_rule("limit quota"))
    }
}

impl<K, S> Meter for QuotaMeter<K, S>
where
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
    S: QuotaStore<K>,
{
    fn poll_allowance(&mut self, cx: &mut Context<'_>, _: Direction) -> Poll<io::Result<usize>> {
        let allowance = ready!(self.poll_refill(cx)).map_err(io::Error::other);
        Poll::Ready(allowance.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    /// Takes from the store what goes beyond, before it is sent.
    fn admit(&mut self, _: Direction, bytes: usize) -> usize {
        let beyond = (bytes as u64).saturating_sub(self.ahead);
        // Datagrams are not held back: while the store has not answered, there is room for what was taken before.
        if beyond > 0 && self.later.is_none() {
            let taken = self.take(beyond);
            self.is_spent |= taken < beyond && self.later.is_none();
        }
        usize::try_from(self.ahead).map_or(bytes, |ahead| ahead.min(bytes))
    }

    fn moved(&mut self, _: Direction, bytes: usize) {
        let bytes = bytes as u64;
        let beyond = bytes.saturating_sub(self.ahead);
        self.ahead = self.ahead.saturating_sub(bytes);
        if beyond > 0 {
            // A tunnel that asks nobody before: what is left pays for as much of it as it can.
            self.shared.store.charge(&self.key, beyond);
        }
    }
}

impl<K, S: QuotaStore<K>> Drop for QuotaMeter<K, S> {
    fn drop(&mut self) {
        if self.ahead > 0 {
            self.shared.store.give_back(&self.key, self.ahead);
        }
    }
}

impl<K: fmt::Debug, S: QuotaStore<K>> fmt::Debug for QuotaMeter<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaMeter")
            .field("key", &self.key)
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}
