use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{sync::Semaphore, task::spawn_blocking};
use tower_service::Service;

use crate::proto::DomainName;

/// Lookups at once, unless told otherwise.
const CONCURRENCY: usize = 128;

/// The resolver of the system: `getaddrinfo(3)`, with `/etc/hosts` and whatever else is configured.
///
/// A lookup occupies a thread of tokio's blocking pool for as long as it takes, and cannot be
/// stopped. So the number of lookups at once is bounded, and further ones wait their turn, for as
/// long as their session has time. Clones share the bound.
#[derive(Clone)]
pub struct SystemResolver {
    turns: Arc<Semaphore>,
}

impl SystemResolver {
    /// Creates a resolver of 128 lookups at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with_concurrency(CONCURRENCY)
    }

    /// Creates a resolver of that many lookups at once, at least one. tokio's blocking pool has 512
    /// threads unless the runtime was built with another number.
    #[must_use]
    pub fn with_concurrency(lookups: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(lookups.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<DomainName> for SystemResolver {
    type Response = Vec<IpAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: DomainName) -> Self::Future {
        let turns = Arc::clone(&self.turns);
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = spawn_blocking(move || {
                let addresses = (name.as_str(), 0).to_socket_addrs()?;
                // The turn is over when the thread is free, not when nobody waits any more.
                drop(turn);
                Ok(addresses.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").finish_non_exhaustive()
    }
}
