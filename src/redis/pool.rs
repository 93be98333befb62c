//! The bytes that a node has leased of a key in one direction, for all of its tunnels.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Redis, WhileAway, scripts};
use crate::{admission::held_back, io::Direction};

/// A first lease, in bytes.
const FIRST: u64 = 16 * 1024;

/// The least that is leased: less costs more than it moves.
const LEAST: u64 = 1460;

/// The longest time between two questions, since a rate can change.
const LONGEST: Duration = Duration::from_secs(1);

/// The shortest one.
const SHORTEST: Duration = Duration::from_millis(5);

/// Who is asked for leases.
pub(super) struct Source {
    pub(super) redis: Redis,
    pub(super) away: WhileAway,
}

pub(super) struct Pool {
    source: Arc<Source>,
    place: String,
    key: Box<str>,
    direction: Direction,
    /// Bytes a second, `u64::MAX` without a limit; and bytes at once.
    rate: AtomicU64,
    burst: AtomicU64,
    /// Bytes that are leased and have not moved; below zero, bytes that have moved without a lease.
    ahead: AtomicI64,
    /// What there was ahead after the latest lease.
    lease: AtomicI64,
    /// A tunnel had to wait for longer than an answer takes.
    pressed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// A task asks for a lease.
    asking: bool,
    /// The size of the next one.
    next: u64,
    waiting: HashMap<u64, Waker>,
    /// While Redis is away: when all that was leased then has moved at the rate of this node's part.
    paid: Instant,
}

/// Bytes a second, at once, to lease, the least of them, and moved already.
struct Wanted {
    rate: u64,
    burst: u64,
    more: u64,
    least: u64,
    moved: u64,
}

impl Pool {
    pub(super) fn new(
        source: &Arc<Source>,
        place: String,
        key: Box<str>,
        direction: Direction,
    ) -> Arc<Self> {
        Arc::new(Self {
            source: Arc::clone(source),
            place,
            key,
            direction,
            rate: AtomicU64::new(u64::MAX),
            burst: AtomicU64::new(0),
            ahead: AtomicI64::new(0),
            lease: AtomicI64::new(0),
            pressed: AtomicBool::new(false),
            state: Mutex::new(State {
                asking: false,
                next: FIRST,
                waiting: HashMap::new(),
                paid: Instant::now(),
            }),
        })
    }

    /// Sets rate and burst; by default that is what moves in a tenth of a second.
    pub(super) fn set(&self, rate: Option<u64>, burst: Option<u64>) {
        let rate = rate.unwrap_or(u64::MAX).max(1);
        self.burst.store(burst.unwrap_or(rate / 10).max(1), Relaxed);
        if self.rate.swap(rate, Relaxed) != rate && rate == u64::MAX {
            self.wake();
        }
    }

    fn is_open(&self) -> bool {
        self.rate.load(Relaxed) == u64::MAX
    }

    /// Ready with the bytes that may move now.
    pub(super) fn poll(self: &Arc<Self>, cx: &Context<'_>, tunnel: u64) -> Poll<usize> {
        if let Some(ahead) = self.has_ahead() {
            return Poll::Ready(ahead);
        }
        let mut state = self.lock();
        // A lease that comes now finds the waker, or has come.
        if let Some(ahead) = self.has_ahead() {
            state.waiting.remove(&tunnel);
            return Poll::Ready(ahead);
        }
        match state.waiting.get_mut(&tunnel) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                state.waiting.insert(tunnel, cx.waker().clone());
            }
        }
        self.ask(state);
        Poll::Pending
    }

    fn has_ahead(&self) -> Option<usize> {
        if self.is_open() {
            return Some(usize::MAX);
        }
        let ahead = self.ahead.load(Relaxed);
        usize::try_from(ahead).ok().filter(|ahead| *ahead > 0)
    }

    /// Counts bytes that have moved, and has the next lease fetched when half of one is used.
    pub(super) fn moved(self: &Arc<Self>, bytes: usize) {
        if self.is_open() {
            return;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.ahead.fetch_sub(bytes, Relaxed);
        let half = self.lease.load(Relaxed) / 2;
        if before > half && before - bytes <= half {
            self.fetch();
        }
    }

    /// Has a lease fetched, if there is none.
    pub(super) fn prepare(self: &Arc<Self>) {
        if self.has_ahead().is_none() {
            self.fetch();
        }
    }

    fn fetch(self: &Arc<Self>) {
        self.ask(self.lock());
    }

    /// Waits no more.
    pub(super) fn leave(&self, tunnel: u64) {
        self.lock().waiting.remove(&tunnel);
    }

    fn ask(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.asking {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        state.asking = true;
        drop(state);
        let filling = Filling(Arc::clone(self));
        runtime.spawn(async move { filling.0.fill().await });
    }

    /// Asks until there is a lease, or nobody waits for one.
    async fn fill(self: &Arc<Self>) {
        loop {
            let wanted = self.wanted();
            let answer = self.lease(&wanted).await;
            match self.add(&wanted, answer) {
                Some(wait) => sleep(wait.clamp(SHORTEST, LONGEST)).await,
                None => return,
            }
        }
    }

    /// Adds what is leased. Returns when to ask again, if somebody waits for that.
    fn add(&self, wanted: &Wanted, answer: Result<u64, Duration>) -> Option<Duration> {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut state = self.lock();
        let leased = answer.as_ref().copied().unwrap_or(0);
        let more = bytes(leased).saturating_add(bytes(wanted.moved));
        let ahead = self.ahead.fetch_add(more, Relaxed).saturating_add(more);
        if answer.is_ok() {
            self.lease.store(ahead, Relaxed);
            state.next = state.next.saturating_mul(4);
        }
        let somebody_waits = !state.waiting.is_empty();
        drop(state);
        match (answer, somebody_waits) {
            (Err(wait), true) => {
                self.press(true);
                return Some(wait);
            }
            (Ok(_), false) => self.press(false),
            _ => {}
        }
        None
    }

    fn wanted(&self) -> Wanted {
        let rate = self.rate.load(Relaxed);
        let mut state = self.lock();
        state.next = state.next.min((rate / 10).max(LEAST));
        Wanted {
            rate,
            burst: self.burst.load(Relaxed),
            more: state.next,
            least: (rate / 50).clamp(LEAST.min(state.next), state.next),
            moved: self.ahead.load(Relaxed).min(0).unsigned_abs(),
        }
    }

    /// Leases bytes of Redis, or while it is away of what this node may have then.
    ///
    /// # Errors
    ///
    /// How long it is until there are some.
    async fn lease(&self, wanted: &Wanted) -> Result<u64, Duration> {
        let mut script = scripts::BANDWIDTH.prepare_invoke();
        script
            .key(&self.place)
            .arg(&[wanted.rate, wanted.burst, wanted.more])
            .arg(&[wanted.least, wanted.moved]);
        match self.source.redis.shared.script::<(u64, u64)>(script).await {
            Ok((0, wait)) => Err(Duration::from_micros(wait)),
            Ok((leased, _)) => Ok(leased),
            Err(_) => match self.source.away {
                WhileAway::Local => self.lease_away(wanted),
                WhileAway::Open => Ok(wanted.more),
                WhileAway::Closed => Err(LONGEST / 2),
            },
        }
    }

    /// The same as the script, with the part of this node.
    fn lease_away(&self, wanted: &Wanted) -> Result<u64, Duration> {
        let nodes = f64::from(self.source.redis.nodes());
        let (rate, burst) = (wanted.rate as f64 / nodes, wanted.burst as f64 / nodes);
        let time = |bytes: f64| Duration::from_secs_f64((bytes / rate).clamp(0.0, 1e6));
        let mut state = self.lock();
        let now = Instant::now();
        state.paid = state.paid.max(now) + time(wanted.moved as f64);
        let room = burst - (state.paid - now).as_secs_f64() * rate;
        let lacking = (wanted.least as f64).min(burst) - room;
        if lacking >= 1.0 {
            return Err(time(lacking));
        }
        let leased = (wanted.more as f64).min(room.max(wanted.least as f64));
        state.paid += time(leased);
        Ok(leased as u64)
    }

    /// Says that tunnels are held back, or are no more.
    fn press(&self, is: bool) {
        if self.pressed.load(Relaxed) == is || self.pressed.swap(is, Relaxed) == is {
            return;
        }
        let limit = match self.direction {
            Direction::Up => "shared bandwidth up",
            Direction::Down => "shared bandwidth down",
        };
        held_back(limit, &self.key, is);
    }

    fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that asks. Those who wait look again when it has ended.
struct Filling(Arc<Pool>);

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.lock().asking = false;
        self.0.wake();
    }
}
