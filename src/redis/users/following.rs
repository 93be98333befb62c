//! The task that follows what changes.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    error::{Failure, RedisAccountsError},
    snapshot::{Snapshot, Unusable, Version},
};
use crate::redis::Redis;

/// Between two looks before there are accounts.
const SOON: Duration = Duration::from_millis(250);

/// Looks that find Redis away before that is said: one of them may be the first of a connection.
const LOOKS: u32 = 3;

#[cfg(feature = "metrics")]
const COUNT: &str = "socks_accounts";
#[cfg(feature = "metrics")]
const AGE: &str = "socks_accounts_age_seconds";

/// Told the names whose accounts are others now, or gone.
pub(super) type OnChange = Arc<dyn Fn(&[Box<[u8]>]) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) most: usize,
    /// Between two looks whether they have changed.
    pub(super) every: Duration,
    /// Between two readings where they have not.
    pub(super) anyhow: Duration,
    pub(super) on_change: Option<OnChange>,
}

/// Accounts that are followed.
pub(super) struct Followed {
    redis: Redis,
    settings: Settings,
    state: watch::Sender<State>,
}

#[derive(Default)]
pub(super) struct State {
    snapshot: Option<Arc<Snapshot>>,
    /// When Redis has last said that this is what there is.
    as_of: Option<Instant>,
    /// Why it does not.
    failure: Option<RedisAccountsError>,
    failures: u32,
}

impl Followed {
    pub(super) fn new(redis: Redis, settings: Settings) -> Arc<Self> {
        let followed = Arc::new(Self {
            redis,
            settings,
            state: watch::Sender::default(),
        });
        tokio::spawn(follow(Arc::downgrade(&followed)));
        followed
    }

    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, RedisAccountsError> {
        let state = self.state.borrow();
        match (&state.snapshot, &state.failure) {
            (Some(snapshot), _) => Ok(Arc::clone(snapshot)),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Err(RedisAccountsError(Failure::Away)),
        }
    }

    pub(super) fn age(&self) -> Option<Duration> {
        self.state.borrow().as_of.map(|as_of| as_of.elapsed())
    }

    pub(super) async fn loaded(&self) -> Result<(), RedisAccountsError> {
        let mut states = self.state.subscribe();
        loop {
            {
                let state = states.borrow_and_update();
                if state.snapshot.is_some() {
                    return Ok(());
                }
                let is_told =
                    |failure: &&RedisAccountsError| !failure.is_away() || state.failures >= LOOKS;
                if let Some(failure) = state.failure.as_ref().filter(is_told) {
                    return Err(failure.clone());
                }
            }
            if states.changed().await.is_err() {
                return Err(RedisAccountsError(Failure::Away));
            }
        }
    }

    /// Looks for changes, and reads all accounts where there may be any, or `anyhow`.
    async fn look(&self, anyhow: bool) -> Result<Option<Snapshot>, Failure> {
        let shared = &self.redis.shared;
        let place = shared.accounts_place();
        let version = Version::ask(shared, &place).await?;
        let seen = {
            let state = self.state.borrow();
            // One that was away may have lost everything, and count from one again.
            let is_sure = !anyhow && state.failure.is_none();
            state.snapshot.clone().filter(|_| is_sure)
        };
        if seen.is_some_and(|seen| seen.version == version) {
            return Ok(None);
        }
        let read = Snapshot::read(shared, &place, version, self.settings.most);
        read.await.map(Some)
    }

    /// Puts what was read in force, and returns whether all was well.
    fn note(&self, looked: Result<Option<Snapshot>, Failure>) -> bool {
        let old = self.state.borrow().snapshot.clone();
        let looked = match looked {
            Ok(read) => Ok(read.map(Arc::new)),
            Err(failure) => Err(RedisAccountsError(failure)),
        };
        if let Ok(Some(read)) = &looked {
            tell_unusable(&read.unusable, old.as_deref().map(|old| &old.unusable));
        }
        let (mut before, is_well) = (None, looked.is_ok());
        let after = looked.as_ref().err().cloned();
        let new = looked.as_ref().ok().cloned().flatten();
        self.state.send_modify(|state| {
            before = std::mem::replace(&mut state.failure, after.clone());
            match looked {
                Ok(read) => {
                    state.snapshot = read.or(state.snapshot.take());
                    state.as_of = Some(Instant::now());
                    state.failures = 0;
                }
                Err(_) => state.failures = state.failures.saturating_add(1),
            }
        });
        self.tell(before, after);
        if let (Some(new), Some(old), Some(told)) = (&new, &old, &self.settings.on_change) {
            let changed = old.changed(new);
            if !changed.is_empty() {
                told(&changed);
            }
        }
        is_well
    }

    /// Says what an operator can mend, once. That Redis is away is said where that is noticed.
    fn tell(&self, before: Option<RedisAccountsError>, after: Option<RedisAccountsError>) {
        let is_mistake = |failure: &RedisAccountsError| !failure.is_away();
        let is_known = self.age().is_some();
        match (before.filter(is_mistake), after) {
            (before, Some(after)) if is_mistake(&after) && before.as_ref() != Some(&after) => {
                let meanwhile = match is_known {
                    true => "those that were there before go on",
                    false => "nobody is let in by them",
                };
                tracing::warn!("{after}; {meanwhile}");
            }
            (Some(_), None) => tracing::info!("accounts of Redis: they can be taken again"),
            _ => {}
        }
        #[cfg(feature = "metrics")]
        {
            let count = self.snapshot().map_or(0, |snapshot| snapshot.len());
            metrics::gauge!(COUNT, "store" => "redis").set(count as f64);
            let age = self.age().map_or(f64::INFINITY, |age| age.as_secs_f64());
            metrics::gauge!(AGE, "store" => "redis").set(age);
        }
    }
}

fn tell_unusable(now: &Unusable, before: Option<&Unusable>) {
    if before == Some(now) {
        return;
    }
    if let Some((name, problem)) = &now.first {
        tracing::warn!(
            count = now.count,
            user = name,
            "accounts of Redis: some cannot be used, and nobody is let in by them, the first since {problem}"
        );
    }
}

/// Follows accounts, until nobody has them any more.
async fn follow(followed: Weak<Followed>) {
    let mut read: Option<Instant> = None;
    while let Some(accounts) = followed.upgrade() {
        let settings = &accounts.settings;
        let anyhow = read.is_none_or(|read| read.elapsed() >= settings.anyhow);
        let began = Instant::now();
        let looked = accounts.look(anyhow).await;
        if matches!(looked, Ok(Some(_))) {
            read = Some(began);
        }
        accounts.note(looked);
        let pause = match accounts.age() {
            Some(_) => settings.every,
            None => settings.every.min(SOON),
        };
        drop(accounts);
        sleep(pause).await;
    }
}
