//! What the stores of a process share: the connection, and what it has heard of Redis.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use ::redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ScriptInvocation,
    ServerErrorKind, aio::ConnectionManager,
};
use tokio::{sync::Notify, time::timeout};

use super::{breaker::Breaker, kept::Kept};

pub(super) struct Shared {
    manager: ConnectionManager,
    prefix: Box<str>,
    node: Box<str>,
    timeout: Duration,
    lease: Duration,
    pub(super) breaker: Breaker,
    /// Nodes when they were last counted, this one included.
    nodes: AtomicU32,
    holders: AtomicU32,
    /// Nothing is held any more, and nothing is to be renewed.
    pub(super) has_left: AtomicBool,
    kept: Mutex<Vec<Weak<dyn Kept>>>,
    /// Something is to be written down.
    pub(super) news: Notify,
}

/// Redis has not answered, and may have done what it was asked for.
#[derive(Debug)]
pub(super) struct Unanswered;

impl Shared {
    pub(super) fn new(
        manager: ConnectionManager,
        prefix: Box<str>,
        timeout: Duration,
        lease: Duration,
    ) -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        Self {
            manager,
            prefix,
            node: format!("{random:016x}").into(),
            timeout,
            lease,
            breaker: Breaker::new(),
            nodes: AtomicU32::new(1),
            holders: AtomicU32::new(0),
            has_left: AtomicBool::new(false),
            kept: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Renews what a store holds, until the store is dropped.
    pub(super) fn keep(&self, kept: Weak<dyn Kept>) {
        let mut all = self.lock();
        all.retain(|kept| kept.strong_count() > 0);
        all.push(kept);
    }

    pub(super) fn kept(&self) -> Vec<Arc<dyn Kept>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    pub(super) const fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn probe_place(&self) -> String {
        format!("{}:probe:{}", self.prefix, self.node)
    }

    pub(super) fn nodes_place(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    pub(super) fn accounts_place(&self) -> String {
        format!("{}:accounts", self.prefix)
    }

    /// Returns the place of a key of a kind of counts.
    pub(super) fn place(&self, kind: &str, name: &str, key: &str) -> String {
        format!("{}:{kind}:{name}:{{{key}}}", self.prefix)
    }

    /// Returns a name for one who holds something, other than that of all others: two who count for one limit in one process
    /// would take what the other writes for their own.
    pub(super) fn holder(&self) -> String {
        let number = self.holders.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}", self.node)
    }

    pub(super) fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn set_nodes(&self, nodes: u32) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    /// Executes a script, if Redis is not away.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        script: ScriptInvocation<'_>,
    ) -> Result<T, Unanswered> {
        if self.breaker.is_open() {
            return Err(Unanswered);
        }
        let mut manager = self.manager.clone();
        self.judged(script.invoke_async(&mut manager)).await
    }

    /// Executes a command, whether Redis is away or not.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unanswered> {
        let mut manager = self.manager.clone();
        self.judged(command.query_async(&mut manager)).await
    }

    /// Executes commands, if Redis is not away.
    pub(super) async fn commands<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, Unanswered> {
        if self.breaker.is_open() {
            return Err(Unanswered);
        }
        let mut manager = self.manager.clone();
        self.judged(commands.query_async(&mut manager)).await
    }

    /// Executes one script many times, if Redis is not away.
    pub(super) async fn scripts<T: FromRedisValue>(
        &self,
        script: &Script,
        commands: &Pipeline,
    ) -> Result<T, Unanswered> {
        if self.breaker.is_open() {
            return Err(Unanswered);
        }
        let mut manager = self.manager.clone();
        self.judged(async move {
            match commands.query_async(&mut manager).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    script.load_async(&mut manager).await?;
                    commands.query_async(&mut manager).await
                }
                answer => answer,
            }
        })
        .await
    }

    async fn judged<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Unanswered> {
        match timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => {
                self.breaker.succeeded();
                return Ok(answer);
            }
            Ok(Err(error)) => {
                if is_redirection(&error) {
                    self.breaker.redirected();
                }
                self.breaker.failed(&error);
            }
            Err(late) => self.breaker.failed(&late),
        }
        Err(Unanswered)
    }
}

/// Whether a node of a cluster says that another one has the key.
fn is_redirection(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask)
    )
}

/// Redis counts time so.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
