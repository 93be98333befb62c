use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    error::RedisAccountsError,
    following::{Followed, Settings},
    service::RedisAccounts,
};
use crate::redis::Redis;

/// Gives a verifier the hashes of accounts in Redis. See the [module](super).
///
/// Clones have the same accounts. They are followed until the last clone, and the last service, are dropped.
#[derive(Clone)]
pub struct RedisAccountsLayer {
    followed: Arc<Followed>,
}

/// How accounts are followed: makes a [`RedisAccountsLayer`].
#[derive(Clone)]
#[must_use]
pub struct RedisAccountsBuilder {
    redis: Redis,
    settings: Settings,
}

impl RedisAccountsLayer {
    /// Begins with a connection.
    pub fn builder(redis: &Redis) -> RedisAccountsBuilder {
        RedisAccountsBuilder {
            redis: redis.clone(),
            settings: Settings {
                most: 100_000,
                every: Duration::from_secs(2),
                anyhow: Duration::from_secs(60),
                on_change: None,
            },
        }
    }

    /// Waits until there are accounts: those of Redis were read once. Who wants to wait longer than it does calls it again.
    ///
    /// # Errors
    ///
    /// Redis is away, as three looks in a row have shown, which takes a second or two; or what is written there cannot be
    /// taken. It is looked for again in any case, and logins fail with [`AuthError::Verifier`](crate::error::AuthError::Verifier)
    /// until then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn loaded(&self) -> Result<(), RedisAccountsError> {
        self.followed.loaded().await
    }

    /// Tells whether a name has an account that is not disabled.
    ///
    /// # Errors
    ///
    /// There were no accounts so far.
    pub fn knows(&self, name: impl AsRef<[u8]>) -> Result<bool, RedisAccountsError> {
        let accounts = self.followed.snapshot()?;
        let account = accounts.get(name.as_ref());
        Ok(account.is_some_and(|account| !account.is_disabled))
    }

    /// Returns how long ago Redis has last said that these are the accounts; `None` before the first time. More than some
    /// seconds are the time for which it has been away, or for which what is written there cannot be taken.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.followed.age()
    }

    /// Returns how many accounts there are, disabled ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.followed
            .snapshot()
            .map_or(0, |accounts| accounts.len())
    }

    /// Tells whether there are no accounts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V> Layer<V> for RedisAccountsLayer {
    type Service = RedisAccounts<V>;

    fn layer(&self, inner: V) -> RedisAccounts<V> {
        RedisAccounts::new(inner, Arc::clone(&self.followed))
    }
}

impl RedisAccountsBuilder {
    /// Sets how many accounts are taken at most: 100,000 by default. Where there are more, none of the new ones is. All
    /// of them have 64 MiB at most, each one 4 KiB.
    pub const fn most(mut self, most: usize) -> Self {
        self.settings.most = most;
        self
    }

    /// Sets how often to look whether accounts have changed: each 2 s by default. That costs a round trip.
    pub fn every(mut self, interval: Duration) -> Self {
        self.settings.every = interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how often all are read although their number and their version are the same: each 60 s by default. That is
    /// how long a change takes of which the version says nothing.
    pub const fn read_every(mut self, interval: Duration) -> Self {
        self.settings.anyhow = interval;
        self
    }

    /// Sets what is told the names whose accounts are others now, or gone, once that is so: to close the tunnels of those who
    /// are not [known](RedisAccountsLayer::knows) any more, and to have a
    /// `RememberLayer` forget them. It must not block.
    pub fn on_change(mut self, told: impl Fn(&[Box<[u8]>]) + Send + Sync + 'static) -> Self {
        self.settings.on_change = Some(Arc::new(told));
        self
    }

    /// Begins to follow them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn build(self) -> RedisAccountsLayer {
        RedisAccountsLayer {
            followed: Followed::new(self.redis, self.settings),
        }
    }
}

impl fmt::Debug for RedisAccountsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccountsBuilder")
            .field("most", &self.settings.most)
            .field("every", &self.settings.every)
            .field("read_every", &self.settings.anyhow)
            .finish_non_exhaustive()
    }
}

/// Without what is known.
impl fmt::Debug for RedisAccountsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccountsLayer")
            .field("len", &self.len())
            .field("age", &self.age())
            .finish_non_exhaustive()
    }
}
