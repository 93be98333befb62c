//! A token bucket that many tunnels share, in turns.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

/// How far ahead of its rate a bucket lets bytes go, after a pause.
const BURST: Duration = Duration::from_millis(100);

/// The share of the bucket's time that a turn is.
const STEP: Duration = Duration::from_millis(10);

/// The time in which all that wait have their turn: with more of them, turns are shorter.
const ROUND: Duration = Duration::from_millis(500);

/// The least that a turn is, in bytes: each costs system calls.
pub(super) const SMALLEST: i64 = 1460;

/// How late the first of the queue may be for its turn, before the next one has it. The relay comes at
/// once; a tunnel that reads no more until something else has happened would hold up all others.
const GRACE: Duration = Duration::from_millis(200);

/// Holds a rate in bytes a second, how much of it is used, and who waits for more.
#[derive(Debug)]
pub(super) struct Bucket {
    state: Mutex<State>,
    /// Whether it has a rate at all.
    limited: AtomicBool,
    /// Whether a tunnel has had to wait since it was last full.
    pressed: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Bytes a second.
    rate: f64,
    /// How far ahead of the rate bytes go, after a pause.
    burst: Duration,
    /// When everything that has moved so far would have moved at that rate.
    paid: Instant,
    /// Tunnels that wait, first come, first served. Tickets only grow.
    queue: VecDeque<Waiting>,
    next_ticket: u64,
    /// Since when the first of the queue is that.
    first_since: Instant,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    waker: Waker,
}

/// What a tunnel knows of its place at a bucket.
#[derive(Debug, Default)]
pub(super) struct Place {
    ticket: Option<u64>,
    /// Bytes by which its earlier turns fell short of what they were; below zero, by which they
    /// exceeded it.
    pub(super) balance: i64,
}

/// What a tunnel has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is the first, and its turn is at this time.
    Until(Instant),
    /// Others come first. It is woken, and looks again at this time at the latest.
    Behind(Instant),
}

/// Returns a rate and its burst, as a time.
fn numbers(rate: u64, burst: Option<u64>) -> (f64, Duration) {
    let rate = rate.max(1) as f64;
    let time = |bytes: u64| Duration::from_secs_f64((bytes as f64 / rate).min(1e6));
    (rate, burst.map_or(BURST, time))
}

impl Bucket {
    /// Creates a bucket with this rate, in bytes a second, and these bytes at once; by default those of a tenth of a
    /// second. Without a rate it bounds nothing until it has one.
    pub(super) fn new(rate: Option<u64>, burst: Option<u64>) -> Self {
        let now = Instant::now();
        let limited = rate.filter(|rate| *rate < u64::MAX);
        let (rate, burst) = numbers(limited.unwrap_or(u64::MAX), burst);
        Self {
            state: Mutex::new(State {
                rate,
                burst,
                paid: now,
                queue: VecDeque::new(),
                next_ticket: 0,
                first_since: now,
            }),
            limited: AtomicBool::new(limited.is_some()),
            pressed: AtomicBool::new(false),
        }
    }

    /// Whether it bounds anything.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// Sets rate and burst. What is not paid yet is paid at the new rate, and those that wait look again.
    pub(super) fn set(&self, rate: Option<u64>, burst: Option<u64>) {
        let limited = rate.filter(|rate| *rate < u64::MAX);
        let (rate, burst) = numbers(limited.unwrap_or(u64::MAX), burst);
        let mut state = self.state();
        if limited.is_none() {
            if self.limited.swap(false, Ordering::Relaxed) {
                state.paid = Instant::now();
                let woken: Vec<Waiting> = state.queue.drain(..).collect();
                drop(state);
                woken.into_iter().for_each(|it| it.waker.wake());
            }
            return;
        }
        let was_limited = self.limited.swap(true, Ordering::Relaxed);
        if was_limited && state.rate == rate && state.burst == burst {
            return;
        }
        let now = Instant::now();
        let slower = if was_limited { state.rate / rate } else { 0.0 };
        let scaled =
            |time: Duration| Duration::from_secs_f64((time.as_secs_f64() * slower).min(1e6));
        state.paid = match state.paid.checked_duration_since(now) {
            Some(debt) => now + scaled(debt),
            None => {
                let saved = now.duration_since(state.paid).min(state.burst);
                now.checked_sub(scaled(saved)).unwrap_or(now)
            }
        };
        (state.rate, state.burst) = (rate, burst);
        let first = state.queue.front().map(|first| first.waker.clone());
        drop(state);
        wake(first);
    }

    /// Asks for a turn, and returns how many bytes it is. Nothing is charged before they have moved.
    ///
    /// # Errors
    ///
    /// What it has to wait for: it is in the queue then.
    pub(super) fn turn(&self, place: &mut Place, waker: &Waker) -> Result<usize, Wait> {
        let now = Instant::now();
        let mut state = self.state();
        let mut woken = None;
        let mut position = place.ticket.and_then(|ticket| state.position(ticket));
        if position.is_some_and(|position| position > 0) && state.due() + GRACE < now {
            woken = state.advance(now);
            position = position.map(|position| position - 1);
        }
        let is_next = position.map_or(state.queue.is_empty(), |position| position == 0);
        let outcome = if is_next && state.paid <= now {
            if position.is_some() {
                woken = state.advance(now);
            }
            place.ticket = None;
            let turn = place.balance.saturating_add(state.step());
            if turn > 0 || state.queue.is_empty() {
                place.balance = 0;
                Ok(usize::try_from(turn.max(SMALLEST)).unwrap_or(usize::MAX))
            } else {
                // It has had this turn already, as a batch of datagrams.
                place.balance = turn;
                place.ticket = Some(state.join(waker, now));
                Err(Wait::Behind(now + GRACE))
            }
        } else {
            match position.and_then(|position| state.queue.get_mut(position)) {
                Some(waiting) => waiting.waker.clone_from(waker),
                None => place.ticket = Some(state.join(waker, now)),
            }
            Err(if is_next {
                Wait::Until(state.paid)
            } else {
                Wait::Behind(now + GRACE)
            })
        };
        drop(state);
        wake(woken);
        outcome
    }

    /// Gives up a place in the queue.
    pub(super) fn leave(&self, place: &mut Place) {
        let Some(ticket) = place.ticket.take() else {
            return;
        };
        let now = Instant::now();
        let mut state = self.state();
        let woken = match state.position(ticket) {
            Some(0) => state.advance(now),
            Some(position) => {
                state.queue.remove(position);
                None
            }
            None => None,
        };
        drop(state);
        wake(woken);
    }

    /// Charges bytes that have moved. What exceeds a turn is paid for later. Returns whether
    /// the bucket was full again before that, after a tunnel has had to wait.
    pub(super) fn charge(&self, bytes: usize) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let earliest = now.checked_sub(state.burst).unwrap_or(now);
        let was_full = state.paid <= earliest && state.queue.is_empty();
        let cost = Duration::from_secs_f64((bytes as f64 / state.rate).min(1e6));
        state.paid = state.paid.max(earliest) + cost;
        drop(state);
        was_full && self.relieve()
    }

    /// Returns when all that has moved is paid for, its burst included: it is as one that is new then.
    pub(super) fn paid(&self) -> Instant {
        let state = self.state();
        let burst = state.burst;
        // Of a burst of the ordinary size nothing is remembered.
        state.paid + burst.saturating_sub(BURST)
    }

    /// Returns how much of its burst is used, and all of it, in bytes.
    pub(super) fn level(&self) -> (u64, u64) {
        let state = self.state();
        let now = Instant::now();
        let full = state.paid + state.burst;
        let used = full.saturating_duration_since(now);
        let bytes = |time: Duration| (time.as_secs_f64() * state.rate) as u64;
        (bytes(used), bytes(state.burst))
    }

    /// Whether more has moved than a pause allows for.
    pub(super) fn is_in_debt(&self, now: Instant) -> bool {
        self.state().paid > now + BURST
    }

    /// Notes that a tunnel has to wait. Returns whether that is new.
    pub(super) fn press(&self) -> bool {
        !self.pressed.load(Ordering::Relaxed) && !self.pressed.swap(true, Ordering::Relaxed)
    }

    /// Notes that no tunnel has to wait any more. Returns whether that is new.
    pub(super) fn relieve(&self) -> bool {
        self.pressed.load(Ordering::Relaxed) && self.pressed.swap(false, Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns how many bytes a turn is, with so many that wait.
    fn step(&self) -> i64 {
        let crowd = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let time = STEP.min(ROUND / crowd.saturating_add(1));
        ((self.rate * time.as_secs_f64()) as i64).max(SMALLEST)
    }

    /// Joins the queue at its end.
    fn join(&mut self, waker: &Waker, now: Instant) -> u64 {
        if self.queue.is_empty() {
            self.first_since = now;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue.push_back(Waiting {
            ticket,
            waker: waker.clone(),
        });
        ticket
    }

    fn position(&self, ticket: u64) -> Option<usize> {
        let found = self.queue.binary_search_by_key(&ticket, |it| it.ticket);
        found.ok()
    }

    /// Returns when it is the turn of the first.
    fn due(&self) -> Instant {
        self.paid.max(self.first_since)
    }

    /// Takes the first out of the queue, and returns who is to be woken as the next one.
    fn advance(&mut self, now: Instant) -> Option<Waker> {
        self.queue.pop_front();
        self.first_since = now;
        self.queue.front().map(|next| next.waker.clone())
    }
}

/// Wakes a tunnel, outside of the lock.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
