use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::redis::Pipeline;
use futures_util::future::BoxFuture;
use ring::hmac;

use super::{
    Redis, WhileAway,
    kept::Kept,
    scripts,
    shared::millis,
    untold::{FORGIVEN, News, Untold},
};
use crate::{
    admission::LogBudget,
    layer::limit::{FailedLoginStore, LoginHistory, LoginKey},
    session::Share,
};

/// What is told at once.
const BATCH: usize = 256;

/// How often that is in a row.
const BATCHES: usize = 32;

#[cfg(feature = "metrics")]
const DROPPED: &str = "socks_store_dropped_total";

/// Remembers failed logins, and where names have logged in, for all nodes: a [`FailedLoginStore`]. Clones are one.
///
/// A login asks once, for all that it counts by, and tells its outcome in the background. Failures are forgiven by Redis's
/// clock, one a minute, and what is written down expires with the last. Networks in which a name has logged in are the last
/// eight, each for a day. Methods that state no names count in each node alone.
///
/// While Redis is away a login goes by what this process has seen, with [`WhileAway::Local`] and [`WhileAway::Open`] alike.
/// With [`WhileAway::Closed`] no login begins. What happens meanwhile is told when Redis is back, less what is forgiven by then,
/// of 4,096 keys and as many logins; the rest is [dropped](Self::dropped). Where an answer is lost, what it was for is not told
/// again: a failure counts once or not at all, and twice never.
#[derive(Clone)]
pub struct RedisFailedLogins(Arc<Logins>);

struct Logins {
    redis: Redis,
    name: Box<str>,
    secret: hmac::Key,
    away: WhileAway,
    untold: Mutex<Untold>,
    dropped: AtomicU64,
    lines: LogBudget,
}

impl RedisFailedLogins {
    /// Counts for the limit of this name, which all nodes give it.
    ///
    /// Redis gets codes of names, by HMAC-SHA-256 with a secret that all nodes have and nobody else: 32 random octets. Who reads
    /// Redis cannot try names without it. With another one, what was counted by name is forgotten.
    pub fn new(redis: &Redis, name: &str, secret: impl AsRef<[u8]>) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        Self::with(redis, name, secret, WhileAway::default())
    }

    /// Sets what it does while Redis is away. What was cloned before counts for itself.
    #[must_use]
    pub fn while_away(self, away: WhileAway) -> Self {
        let logins = &self.0;
        Self::with(&logins.redis, &logins.name, logins.secret.clone(), away)
    }

    /// Returns how many outcomes were not told to Redis, since too many had to wait.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn with(redis: &Redis, name: &str, secret: hmac::Key, away: WhileAway) -> Self {
        #[cfg(feature = "metrics")]
        metrics::counter!(DROPPED, "store" => "redis").increment(0);
        let logins = Arc::new(Logins {
            redis: redis.clone(),
            name: name.into(),
            secret,
            away,
            untold: Mutex::default(),
            dropped: AtomicU64::new(0),
            lines: LogBudget::new(1, Duration::from_secs(60)),
        });
        let kept: Weak<Logins> = Arc::downgrade(&logins);
        redis.keep(kept);
        Self(logins)
    }
}

impl FailedLoginStore for RedisFailedLogins {
    fn hash(&self, name: &[u8]) -> u64 {
        let code = hmac::sign(&self.0.secret, name);
        let first = code.as_ref().first_chunk().copied();
        u64::from_be_bytes(first.unwrap_or_default())
    }

    fn history(&self, of: &[LoginKey]) -> Share<LoginHistory> {
        if !self.0.redis.is_up() {
            return self.0.history_away();
        }
        let mut commands = Pipeline::new();
        let mut known = None;
        for key in of {
            commands.cmd("PTTL").arg(self.0.failures_place(*key));
            if let LoginKey::Known(client, name) = *key {
                known = Some((client, name));
            }
        }
        if let Some((client, name)) = known {
            scripts::execute(&mut commands, &scripts::LOGINS, &self.0.known_place(name));
            commands.arg("is known").arg(client.to_string());
        }
        let (logins, keys) = (Arc::clone(&self.0), of.len());
        Share::Later(Box::pin(async move {
            let shared = &logins.redis.shared;
            match shared
                .scripts::<Vec<i64>>(&scripts::LOGINS, &commands)
                .await
            {
                Ok(answers) => {
                    let failures = answers.iter().take(keys).map(|left| failures(*left));
                    let is_known = answers.get(keys) == Some(&1);
                    Ok(LoginHistory::new(failures.collect()).known(is_known))
                }
                Err(_) => match logins.history_away() {
                    Share::Now(history) => Ok(history),
                    Share::Later(later) => later.await,
                },
            }
        }))
    }

    fn failed(&self, of: &[(LoginKey, u32)]) {
        let mut untold = self.0.untold();
        let mut dropped = 0;
        for (key, most) in of {
            // Nobody would ask for those.
            let is_asked_for = !matches!(key, LoginKey::Nameless(_));
            dropped += u64::from(is_asked_for && !untold.failed(*key, *most));
        }
        drop(untold);
        self.0.noted(dropped);
    }

    fn succeeded(&self, client: IpAddr, name: u64) {
        let is_kept = self.0.untold().succeeded(client, name);
        self.0.noted(u64::from(!is_kept));
    }
}

/// The failures that are left where all are forgiven after so many milliseconds. Less than zero is none.
fn failures(left: i64) -> u32 {
    let left = u64::try_from(left).unwrap_or(0);
    u32::try_from(left.div_ceil(millis(FORGIVEN))).unwrap_or(u32::MAX)
}

impl Logins {
    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures_place(&self, key: LoginKey) -> String {
        self.redis
            .place("failed-logins", &self.name, &key.to_string())
    }

    fn known_place(&self, name: u64) -> String {
        self.redis
            .place("logged-in", &self.name, &format!("{name:016x}"))
    }

    fn history_away(&self) -> Share<LoginHistory> {
        match self.away {
            WhileAway::Local | WhileAway::Open => Share::Now(LoginHistory::default()),
            WhileAway::Closed => Share::refused(WhileAway::refusal("limit failed logins")),
        }
    }

    fn noted(&self, dropped: u64) {
        self.redis.shared.news.notify_one();
        if dropped == 0 {
            return;
        }
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!(DROPPED, "store" => "redis").increment(dropped);
        if let Some(suppressed) = self.lines.take() {
            tracing::warn!(
                store = "redis",
                suppressed = suppressed.field(),
                "logins come faster than the store is told of them: some count in this process alone"
            );
        }
    }

    fn add(&self, commands: &mut Pipeline, news: &News) {
        match *news {
            News::Failed(key, left, longest) => {
                scripts::execute(commands, &scripts::LOGINS, &self.failures_place(key));
                // The clock of this machine has finer steps.
                let left = millis(left).max(1);
                commands.arg("failed").arg(left).arg(millis(longest));
            }
            News::Succeeded(name, client) => {
                scripts::execute(commands, &scripts::LOGINS, &self.known_place(name));
                commands.arg("succeeded").arg(client.to_string());
            }
        }
    }

    async fn tell(&self) {
        // What comes meanwhile waits for its turn: leases of others are renewed between.
        for _ in 0..BATCHES {
            if !self.redis.is_up() || self.untold().is_empty() {
                return;
            }
            let news = self.untold().take(BATCH);
            if news.is_empty() {
                // All that was taken is forgiven.
                continue;
            }
            let mut commands = Pipeline::new();
            for news in &news {
                self.add(&mut commands, news);
            }
            let shared = &self.redis.shared;
            let told = shared.scripts::<Vec<i64>>(&scripts::LOGINS, &commands);
            if told.await.is_err() {
                return;
            }
        }
        if !self.untold().is_empty() {
            self.redis.shared.news.notify_one();
        }
    }
}

impl Kept for Logins {
    fn write(&self, _: bool) -> BoxFuture<'_, ()> {
        Box::pin(self.tell())
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.tell())
    }
}

/// Without the secret.
impl fmt::Debug for RedisFailedLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisFailedLogins")
            .field("name", &self.0.name)
            .field("away", &self.0.away)
            .finish_non_exhaustive()
    }
}
