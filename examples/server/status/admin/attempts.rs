//! Guessing the password, slowed down.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::sleep};

use crate::{
    hashes::{Hash, Memory},
    status::network::network,
};

/// Attempts that wait for their turn: one password is verified at a time.
const WAITING: usize = 8;

/// Each failure keeps the next attempt of anybody waiting for so long.
const PAUSE: Duration = Duration::from_millis(250);

/// After failures in a row a client has to wait: a second, and each time twice as long, up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// When failures are forgotten, and how many clients are known.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
const CLIENTS: usize = 1024;

/// Verifies passwords.
#[derive(Debug)]
pub(super) struct Attempts {
    places: Semaphore,
    turn: Semaphore,
    failed: Mutex<HashMap<IpAddr, Failed>>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    last: Instant,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// It was not looked at, and can be tried again after this.
    TooMany(Duration),
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            places: Semaphore::new(WAITING),
            turn: Semaphore::new(1),
            failed: Mutex::default(),
        }
    }

    /// Verifies a password of a client.
    pub(super) async fn verify(
        &self,
        hash: &Arc<Hash>,
        client: IpAddr,
        password: String,
    ) -> Outcome {
        let client = network(client);
        let soon = Outcome::TooMany(Duration::from_secs(1));
        let Ok(_place) = self.places.try_acquire() else {
            return soon;
        };
        let Ok(_turn) = self.turn.acquire().await else {
            return soon;
        };
        // Looked at once it is its turn: attempts that were sent together are no faster.
        if let Some(wait) = self.wait(client) {
            return Outcome::TooMany(wait);
        }
        // Counted before, so that an attempt that is broken off counts as one.
        self.count(client);
        let hash = Arc::clone(hash);
        let verified = tokio::task::spawn_blocking(move || {
            hash.verify(&mut Memory::new(), password.as_bytes())
        });
        if verified.await.unwrap_or(false) {
            self.failed().remove(&client);
            return Outcome::Right;
        }
        sleep(PAUSE).await;
        Outcome::Wrong
    }

    fn wait(&self, client: IpAddr) -> Option<Duration> {
        let failed = self.failed().get(&client).copied()?;
        let exponent = failed.times.saturating_sub(1).min(16);
        let pause = LONGEST.min(Duration::from_secs(1 << exponent));
        pause
            .checked_sub(failed.last.elapsed())
            .filter(|wait| !wait.is_zero())
    }

    fn count(&self, client: IpAddr) {
        let mut all = self.failed();
        if all.len() >= CLIENTS && !all.contains_key(&client) {
            all.retain(|_, failed| failed.last.elapsed() < REMEMBERED);
            let oldest = all.iter().min_by_key(|(_, failed)| failed.last);
            if let Some(oldest) = oldest.map(|(client, _)| *client)
                && all.len() >= CLIENTS
            {
                all.remove(&oldest);
            }
        }
        let now = Instant::now();
        let failed = all.entry(client).or_insert(Failed {
            times: 0,
            last: now,
        });
        if failed.last.elapsed() >= REMEMBERED {
            failed.times = 0;
        }
        failed.times = failed.times.saturating_add(1);
        failed.last = now;
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<IpAddr, Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
