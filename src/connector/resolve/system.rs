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

use super::{hosts, special};
use crate::{error::BoxError, proto::DomainName};

/// Lookups at once, unless told otherwise.
const CONCURRENCY: usize = 128;

/// The resolver of the system: `/etc/hosts`, and `getaddrinfo(3)` with whatever else is configured.
///
/// Names are absolute, as if each had a dot at its end: `search`, `domain` and `ndots` of resolv.conf do not
/// apply, so that no policy judges `db` while `db.corp.example` is looked up. A name in the hosts file is
/// found there, single label or not. Names below `onion` are refused with 04 and not looked up (RFC 7686).
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
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: DomainName) -> Self::Future {
        let turns = Arc::clone(&self.turns);
        Box::pin(async move {
            special::refuse(&name)?;
            let turn = turns.acquire_owned().await?;
            let lookup = spawn_blocking(move || {
                let addresses = addresses_of(&name);
                // The turn is over when the thread is free, not when nobody waits any more.
                drop(turn);
                addresses
            });
            Ok(lookup.await??)
        })
    }
}

/// Looks up a name as it is: with a dot at its end no search domain applies, whatever `search` and `ndots`
/// of resolv.conf are. What was judged is what is looked up.
fn addresses_of(name: &DomainName) -> io::Result<Vec<IpAddr>> {
    let stated = hosts::addresses_of(name)?;
    if !stated.is_empty() {
        return Ok(stated);
    }
    let found = (format!("{name}."), 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").finish_non_exhaustive()
    }
}
