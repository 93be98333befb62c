//! A token bucket that many tunnels share.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How far ahead of its rate a bucket lets bytes go, after a pause.
const BURST: Duration = Duration::from_millis(100);

/// The share of the bucket's time that a tunnel may use up before it asks again.
const STEP: Duration = Duration::from_millis(10);

/// The least that a tunnel may move before it asks again, in bytes: each step costs system calls.
const SMALLEST: f64 = 1460.0;

/// Holds a rate in bytes a second, and how much of it is used.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Bytes a second.
    rate: f64,
    /// When everything that has moved so far would have moved at that rate.
    paid: Mutex<Instant>,
    /// Tunnels that wait for their turn.
    waiting: AtomicU32,
    /// Whether a tunnel has had to wait since it was last full.
    pressed: AtomicBool,
}

impl Bucket {
    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate: rate.max(1) as f64,
            paid: Mutex::new(Instant::now()),
            waiting: AtomicU32::new(0),
            pressed: AtomicBool::new(false),
        }
    }

    /// Returns how many bytes may move now.
    ///
    /// # Errors
    ///
    /// When some may move, if no other tunnel comes first.
    pub(super) fn allowance(&self) -> Result<usize, Instant> {
        let now = Instant::now();
        let paid = *self.paid();
        if paid > now {
            return Err(paid);
        }
        Ok(self.step() as usize)
    }

    /// Charges bytes that have moved. What exceeds the allowance is paid for later. Returns whether
    /// the bucket was full again before that, after a tunnel has had to wait.
    pub(super) fn charge(&self, bytes: usize) -> bool {
        let now = Instant::now();
        let mut paid = self.paid();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let was_full = *paid <= earliest;
        let cost = Duration::from_secs_f64((bytes as f64 / self.rate).min(1e6));
        *paid = (*paid).max(earliest) + cost;
        drop(paid);
        was_full && self.relieve()
    }

    /// Joins the tunnels that wait. Returns when it is probably its turn, if the bucket is free from
    /// `paid` on: those that came first take a step each.
    pub(super) fn join(&self, paid: Instant) -> Instant {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        // In a crowd it is better to look once too often than to leave the bucket unused.
        let steps = before.min(64);
        paid + Duration::from_secs_f64(self.step() / self.rate).saturating_mul(steps)
    }

    /// Leaves the tunnels that wait.
    pub(super) fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that a tunnel has to wait. Returns whether that is new.
    pub(super) fn press(&self) -> bool {
        !self.pressed.load(Ordering::Relaxed) && !self.pressed.swap(true, Ordering::Relaxed)
    }

    /// Notes that no tunnel has to wait any more. Returns whether that is new.
    pub(super) fn relieve(&self) -> bool {
        self.pressed.load(Ordering::Relaxed) && self.pressed.swap(false, Ordering::Relaxed)
    }

    fn step(&self) -> f64 {
        (self.rate * STEP.as_secs_f64()).max(SMALLEST)
    }

    fn paid(&self) -> MutexGuard<'_, Instant> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
