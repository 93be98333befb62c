//! Attempts that have begun, and when the next may.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    FailedLoginStore, LoginKey,
    bounds::{Attempt, Bounds, refusal},
    live::State,
    memory,
};
use crate::{
    admission::{Backoff, LimitEvents},
    error::Refusal,
    session::{CountLogin, CountLogins, Share, answered},
};

/// Between two looks whether an attempt may begin, of one that waits for the verdicts of others. Twice as long each
/// time.
const LOOK: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(160));

/// Attempts of one that wait for verdicts at once: more than a client has connections in the handshake unless told
/// otherwise.
const WAITING: u32 = 1_024;

pub(super) struct Attempts {
    bounds: Mutex<Bounds>,
    state: Mutex<State>,
    names: RandomState,
    store: Option<Arc<dyn FailedLoginStore>>,
    at_limit: LimitEvents<IpAddr>,
}

/// What becomes of an attempt.
enum Turn {
    Begins(Begun, Duration),
    /// When others have a verdict.
    Later,
    Refused,
}

impl Attempts {
    pub(super) fn new(bounds: Bounds, store: Option<Arc<dyn FailedLoginStore>>) -> Self {
        Self {
            bounds: Mutex::new(bounds),
            state: Mutex::default(),
            names: RandomState::new(),
            store,
            at_limit: LimitEvents::new("failed logins"),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        *self.lock_bounds()
    }

    pub(super) fn store(&self) -> Option<Arc<dyn FailedLoginStore>> {
        self.store.clone()
    }

    pub(super) fn set_bounds(&self, bounds: Bounds) {
        *self.lock_bounds() = bounds;
    }

    fn lock_bounds(&self) -> MutexGuard<'_, Bounds> {
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an attempt by a method that states no names, if its client has failed too often.
    ///
    /// # Errors
    ///
    /// Too many of its attempts wait.
    pub(super) fn enter_nameless(
        self: &Arc<Self>,
        client: IpAddr,
    ) -> Result<Option<(Begun, Duration)>, Refusal> {
        let counted = LoginKey::Nameless(client);
        let failures = self.state().memory.failures(counted).failures;
        if failures <= self.bounds().of(counted, 0).free {
            return Ok(None);
        }
        match self.begin(&[counted]) {
            Turn::Begins(begun, delay) => Ok(Some((begun, delay))),
            Turn::Later | Turn::Refused => Err(refusal(Some(client))),
        }
    }

    /// Counts a failure of a method that states no names.
    pub(super) fn nameless_failed(&self, client: IpAddr) {
        self.failed(&[LoginKey::Nameless(client)]);
    }

    async fn enter(self: Arc<Self>, attempt: Attempt) -> Result<Begun, Refusal> {
        let since = Instant::now();
        if let Some(store) = &self.store {
            self.learn(&**store, &attempt).await?;
        }
        let known = attempt
            .client
            .filter(|client| self.state().memory.knows(*client, attempt.name));
        if let (Some(_), Some(counted)) = (known, attempt.known()) {
            // The failures of others do not concern it, unless its own attempts are too many.
            if let Ok(begun) = self.wait(&counted, &attempt, since).await {
                return Ok(begun);
            }
        }
        self.wait(&attempt.stranger(), &attempt, since).await
    }

    /// Takes over what other proxies have counted.
    async fn learn(&self, store: &dyn FailedLoginStore, attempt: &Attempt) -> Result<(), Refusal> {
        let known = attempt.known().into_iter().flatten();
        let keys: Vec<_> = attempt.stranger().into_iter().chain(known).collect();
        let history = match store.history(&keys) {
            Share::Now(history) => history,
            Share::Later(later) => answered(later).await?,
        };
        let bounds = self.bounds();
        let mut state = self.state();
        for (counted, failures) in keys.into_iter().zip(history.failures) {
            let free = bounds.of(counted, 0).free;
            state.memory.learn(counted, failures, free);
        }
        if let Some(client) = attempt.client.filter(|_| history.is_known) {
            state.memory.succeeded(client, attempt.name);
        }
        Ok(())
    }

    async fn wait(
        self: &Arc<Self>,
        counted: &[LoginKey],
        attempt: &Attempt,
        since: Instant,
    ) -> Result<Begun, Refusal> {
        let deadline = since + self.bounds().longest_delay * 3 / 2;
        let mut waiting = None;
        for looks in 1.. {
            match self.begin(counted) {
                Turn::Begins(mut begun, delay) => {
                    begun.known = attempt.client.map(|client| (client, attempt.name));
                    drop(waiting);
                    if !delay.is_zero() {
                        // Less what it has waited for others: all of it is within the time of a handshake.
                        sleep_until(since + delay).await;
                    }
                    return Ok(begun);
                }
                Turn::Later if Instant::now() < deadline => {
                    if waiting.is_none() {
                        waiting = self.queue(counted);
                    }
                    if waiting.is_none() {
                        break;
                    }
                    sleep(LOOK.after(looks)).await;
                }
                Turn::Later | Turn::Refused => break,
            }
        }
        Err(refusal(attempt.client))
    }

    /// Begins an attempt, if all of those whom it counts for may make one more.
    fn begin(self: &Arc<Self>, counted: &[LoginKey]) -> Turn {
        let bounds = self.bounds();
        let mut state = self.state();
        let mut delay = Duration::ZERO;
        let mut later = false;
        let mut below = None;
        for counted in counted {
            let record = state.memory.failures(*counted);
            let allowed = bounds.of(*counted, record.all);
            let live = state.live.get(counted);
            let (open, slow) = live.map_or((0, 0), |live| (live.open, live.slow));
            let successes = live.map_or(0, |live| live.successes);
            let slowed = record.failures > allowed.free;
            if slowed {
                let all = open.saturating_add(slow);
                if all >= allowed.at_once {
                    return Turn::Refused;
                }
                // What is open may fail as well.
                let failures = record.failures.saturating_add(all) - allowed.free;
                let backoff = Backoff::new(Duration::from_secs(1), bounds.longest_delay);
                delay = delay.max(backoff.after(failures));
            } else {
                // As many as may fail, and one more for each that has not. What is slow is bounded where it is.
                let free = allowed.free.saturating_add(1) - record.failures;
                let most = allowed.at_once.max(bounds.per_client);
                later |= open >= free.saturating_add(successes).min(most.max(1));
                if let LoginKey::Client(client) = counted {
                    below = Some(*client);
                }
            }
        }
        // What waits anyway does not wait for others as well.
        later &= delay.is_zero();
        if !later {
            for counted in counted {
                let live = state.live.entry(*counted).or_default();
                *live.begun(delay) += 1;
            }
        }
        drop(state);
        if let Some(client) = below {
            self.at_limit.left(&client);
        }
        if later {
            return Turn::Later;
        }
        Turn::Begins(
            Begun {
                attempts: Arc::clone(self),
                counted: counted.into(),
                delay,
                known: None,
            },
            delay.min(bounds.longest_delay),
        )
    }

    /// Waits for the verdicts of others, if there is room.
    fn queue(self: &Arc<Self>, counted: &[LoginKey]) -> Option<Waiting> {
        let mut state = self.state();
        let first = *counted.first()?;
        let live = state.live.entry(first).or_default();
        if live.waiting >= WAITING {
            return None;
        }
        live.waiting += 1;
        drop(state);
        Some(Waiting {
            attempts: Arc::clone(self),
            counted: first,
        })
    }

    fn failed(&self, counted: &[LoginKey]) {
        let mut slowed = None;
        let bounds = self.bounds();
        let mut state = self.state();
        for counted in counted {
            let free = bounds.of(*counted, 0).free;
            let failures = state.memory.failed(*counted, free);
            if let LoginKey::Client(client) | LoginKey::Nameless(client) = counted
                && failures > free
            {
                slowed = Some(*client);
            }
        }
        drop(state);
        if let Some(store) = &self.store {
            let most = |counted: &LoginKey| memory::most(bounds.of(*counted, 0).free);
            let counted: Vec<_> = counted.iter().map(|one| (*one, most(one))).collect();
            store.failed(&counted);
        }
        if let Some(client) = slowed {
            self.at_limit.reached(&client);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountLogins for Attempts {
    fn enter(
        self: Arc<Self>,
        client: SocketAddr,
        name: &[u8],
    ) -> BoxFuture<'static, Result<Box<dyn CountLogin>, Refusal>> {
        let name = match &self.store {
            Some(store) => store.hash(name),
            // With a secret key: names may be long, and come from strangers.
            None => self.names.hash_one(name),
        };
        let attempt = Attempt::new(client.ip(), name);
        Box::pin(async move {
            let begun = Self::enter(self, attempt).await?;
            Ok(Box::new(begun) as Box<dyn CountLogin>)
        })
    }
}

/// An attempt that has begun.
pub(super) struct Begun {
    attempts: Arc<Attempts>,
    counted: Box<[LoginKey]>,
    delay: Duration,
    /// Who is known where, once it has succeeded.
    known: Option<(IpAddr, u64)>,
}

impl CountLogin for Begun {
    fn end(self: Box<Self>, right: bool) {
        if right {
            let mut state = self.attempts.state();
            for counted in &self.counted {
                state.release(*counted, |live| {
                    live.successes = live.successes.saturating_add(1)
                });
            }
            if let Some((client, name)) = self.known {
                state.memory.succeeded(client, name);
                drop(state);
                if let Some(store) = &self.attempts.store {
                    store.succeeded(client, name);
                }
            }
        } else {
            self.attempts.failed(&self.counted);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.attempts.state();
        for counted in &self.counted {
            state.release(*counted, |live| {
                let begun = live.begun(self.delay);
                *begun = begun.saturating_sub(1);
            });
        }
    }
}

/// An attempt that waits for the verdicts of others.
struct Waiting {
    attempts: Arc<Attempts>,
    counted: LoginKey,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.attempts.state();
        state.release(self.counted, |live| {
            live.waiting = live.waiting.saturating_sub(1)
        });
    }
}
