use std::{
    error, fmt,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use ::redis::{
    Client, IntoConnectionInfo, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{keeper, kept::Kept, shared::Shared};

/// A connection to Redis or Valkey that the stores of a process share. Clones are one.
///
/// It connects in the background and again whenever the connection is lost. A task renews what this node holds; it ends with
/// the last clone and the last store. [`leave`](Self::leave) gives up at once what would otherwise expire.
#[derive(Clone)]
pub struct Redis {
    pub(super) shared: Arc<Shared>,
}

impl Redis {
    /// Begins with an address: `redis://HOST:PORT/DATABASE`, with `USER:PASSWORD@` if it asks for one, or
    /// `unix:///PATH`.
    ///
    /// # Errors
    ///
    /// The address is none. The error does not show it, since it may have a password.
    pub fn builder(url: &str) -> Result<RedisBuilder, InvalidRedisUrl> {
        let invalid = |error: RedisError| InvalidRedisUrl(error.category().to_owned());
        let client = Client::open(url.into_connection_info().map_err(invalid)?).map_err(invalid)?;
        Ok(RedisBuilder {
            client,
            prefix: "tower-socks".into(),
            timeout: Duration::from_millis(250),
            lease: Duration::from_secs(30),
        })
    }

    /// Returns the name of this node: 16 digits, other ones in each process.
    #[must_use]
    pub fn node(&self) -> &str {
        self.shared.node()
    }

    /// Returns whether Redis is asked, which it is not after failures.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.shared.breaker.is_open()
    }

    /// Returns how many nodes there were when they were last counted, this one included.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.shared.nodes()
    }

    /// Gives up all that this node holds, as a process does that ends. Nothing is renewed any more, so nothing is to be taken
    /// afterwards. Waits no longer than the timeout for each store.
    pub async fn leave(&self) {
        self.shared.has_left.store(true, Ordering::Relaxed);
        for kept in self.shared.kept() {
            kept.leave().await;
        }
        keeper::leave(&self.shared).await;
    }

    pub(super) fn lease(&self) -> Duration {
        self.shared.lease()
    }

    /// Returns the place of a key of a kind of counts.
    pub(super) fn place(&self, kind: &str, name: &str, key: &str) -> String {
        self.shared.place(kind, name, key)
    }

    /// Renews what a store holds, until the store is dropped.
    pub(super) fn keep(&self, kept: Weak<dyn Kept>) {
        self.shared.keep(kept);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("node", &self.shared.node())
            .field("is_up", &self.is_up())
            .finish_non_exhaustive()
    }
}

/// What is said about a connection to Redis before it is made.
#[derive(Clone)]
pub struct RedisBuilder {
    client: Client,
    prefix: Box<str>,
    timeout: Duration,
    lease: Duration,
}

impl RedisBuilder {
    /// Sets what all keys begin with, which tells one fleet from another. `tower-socks` by default.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets for how long an answer is waited for. 250 ms by default.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets for how long what a node holds is its own without being renewed. 30 s by default, one at least; it is renewed
    /// three times in that time.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Connects, in the background.
    ///
    /// # Errors
    ///
    /// The address cannot be used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn build(self) -> Result<Redis, InvalidRedisUrl> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.timeout.max(Duration::from_millis(100))))
            .set_response_timeout(None)
            .set_max_delay(Duration::from_millis(500))
            .set_number_of_retries(1);
        let manager = ConnectionManager::new_lazy_with_config(self.client, config)
            .map_err(|error| InvalidRedisUrl(error.category().to_owned()))?;
        let shared = Arc::new(Shared::new(manager, self.prefix, self.timeout, self.lease));
        tokio::spawn(keeper::keep(Arc::downgrade(&shared)));
        Ok(Redis { shared })
    }
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// The address of Redis is none.
#[derive(Debug)]
pub struct InvalidRedisUrl(String);

impl fmt::Display for InvalidRedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an address of Redis is as redis://127.0.0.1:6379 or unix:///run/redis.sock: {}",
            self.0
        )
    }
}

impl error::Error for InvalidRedisUrl {}
