//! The failures of each client address, and when its next attempt may be made.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    admission::{Backoff, LimitEvents},
    error::Refusal,
};

/// Failures of an address that cost nothing: people mistype.
const FREE: u32 = 3;

/// The pause before the next attempt, by the failures after those.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How long an attempt waits for its turn; with a later turn it is refused at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A failure counts for so long.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Addresses in each of two generations that are remembered.
const GENERATION: usize = 32 * 1024;

pub(super) struct Shared {
    /// Whether anybody has failed at all.
    any: AtomicBool,
    known: Mutex<Known>,
    at_limit: LimitEvents<IpAddr>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            any: AtomicBool::new(false),
            known: Mutex::default(),
            at_limit: LimitEvents::new("failed logins"),
        }
    }
}

#[derive(Default)]
struct Known {
    young: HashMap<IpAddr, Record>,
    old: HashMap<IpAddr, Record>,
}

#[derive(Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
    /// When the next attempt may be made.
    next: Instant,
}

impl Shared {
    /// Returns when an attempt from this address may be made, if not now.
    ///
    /// # Errors
    ///
    /// When its turn is too far away.
    pub(super) fn turn(&self, client: IpAddr) -> Result<Option<Instant>, Refusal> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let now = Instant::now();
        let mut known = self.known();
        let Some(record) = known.get(client, now).filter(|it| it.failures > FREE) else {
            drop(known);
            self.at_limit.left(&client);
            return Ok(None);
        };
        let turn = record.next.max(now);
        let wait = turn - now;
        if wait > PATIENCE {
            return Err(Refusal::not_allowed(format!(
                "too many failed logins from {client}: the next attempt may be made in {} s",
                wait.as_secs() + 1
            ))
            .with_rule("limit failed logins"));
        }
        record.next = turn + pause(record.failures);
        Ok((turn > now).then_some(turn))
    }

    pub(super) fn failed(&self, client: IpAddr) {
        let now = Instant::now();
        self.any.store(true, Ordering::Relaxed);
        let mut known = self.known();
        let before = known.get(client, now).copied();
        let failures = before.map_or(1, |record| record.failures.saturating_add(1));
        let next = now + pause(failures);
        let record = Record {
            failures,
            last: now,
            next: before.map_or(next, |record| record.next.max(next)),
        };
        known.insert(client, record);
        drop(known);
        if failures > FREE {
            self.at_limit.reached(&client);
        }
    }

    pub(super) fn succeeded(&self, client: IpAddr) {
        if self.any.load(Ordering::Relaxed) {
            let mut known = self.known();
            known.young.remove(&client);
            known.old.remove(&client);
            drop(known);
            self.at_limit.left(&client);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn get(&mut self, client: IpAddr, now: Instant) -> Option<&mut Record> {
        let record = match self.young.get_mut(&client) {
            Some(record) => record,
            None => self.old.get_mut(&client)?,
        };
        (now.saturating_duration_since(record.last) < MEMORY).then_some(record)
    }

    fn insert(&mut self, client: IpAddr, record: Record) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&client) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&client);
        self.young.insert(client, record);
    }
}

fn pause(failures: u32) -> Duration {
    BACKOFF.after(failures.saturating_sub(FREE))
}
