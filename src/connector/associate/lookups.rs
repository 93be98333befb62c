//! Resolves names of destinations, off the data path.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::{Instant, timeout};

use crate::{
    connector::{
        Family,
        resolve::{Lookup, Resolve},
    },
    datagram::Datagrams,
    error::BoxError,
    io::{DropReason, Drops},
    proto::{Address, DomainName, canonical},
    session::Request,
};

/// Lookups of one association at once; a datagram that would need another one is dropped.
const MOST_RUNNING: usize = 16;

/// Octets that wait for one lookup, and datagrams.
const WAITING: (usize, usize) = (64 * 1024, 256);

/// Names whose lookups are remembered.
const MOST_RESOLVED: usize = 64;

/// How long an address is used for its name, and how long the lack of one.
const FRESH: Duration = Duration::from_secs(60);
const FRESH_FAILURE: Duration = Duration::from_secs(5);

/// How long a lookup may take.
const LIMIT: Duration = Duration::from_secs(5);

type Outcome = (Address, Result<Vec<IpAddr>, BoxError>);

/// The lookups of one association, each for a name and a port.
pub(super) struct Lookups<R> {
    resolver: R,
    /// Which family goes first.
    order: Family,
    resolved: HashMap<Address, Resolved>,
    waiting: HashMap<Address, Waiting>,
    running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// Datagrams that have waited in vain.
    drops: Drops,
}

#[derive(Debug)]
struct Resolved {
    address: Result<SocketAddr, DropReason>,
    until: Instant,
}

#[derive(Debug)]
struct Waiting {
    /// The policies are asked about addresses with this.
    request: Request,
    datagrams: Datagrams,
    octets: usize,
}

impl<R: Resolve> Lookups<R> {
    pub(super) fn new(resolver: R, order: Family) -> Self {
        Self {
            resolver,
            order,
            resolved: HashMap::new(),
            waiting: HashMap::new(),
            running: FuturesUnordered::new(),
            drops: Drops::default(),
        }
    }

    /// Returns the address to use for a name, if it is known. While it is looked up the datagram
    /// waits, and comes back from [`poll_resolved`](Self::poll_resolved). It is looked up only if
    /// `admit` has a request for it.
    ///
    /// # Errors
    ///
    /// Why the datagram is dropped.
    pub(super) fn address(
        &mut self,
        target: &Address,
        name: &DomainName,
        payload: &[u8],
        admit: impl FnOnce(&Address) -> Option<Request>,
    ) -> Result<Option<SocketAddr>, DropReason> {
        match self.resolved.get(target) {
            Some(resolved) if Instant::now() < resolved.until => return resolved.address.map(Some),
            Some(_) => drop(self.resolved.remove(target)),
            None => {}
        }
        if !self.waiting.contains_key(target) {
            if self.running.len() >= MOST_RUNNING {
                return Err(DropReason::Overflow);
            }
            let Some(request) = admit(target) else {
                self.remember(target.clone(), Err(DropReason::Refused));
                return Err(DropReason::Refused);
            };
            let lookup = Lookup::of(name.clone(), Some(&request));
            let waiting = Waiting {
                request,
                datagrams: Datagrams::new(),
                octets: 0,
            };
            self.waiting.insert(target.clone(), waiting);
            let (resolver, target) = (self.resolver.clone(), target.clone());
            self.running.push(Box::pin(async move {
                let outcome = timeout(LIMIT, resolver.resolve(lookup)).await;
                (
                    target,
                    outcome.unwrap_or_else(|elapsed| Err(elapsed.into())),
                )
            }));
        }
        if let Some(waiting) = self.waiting.get_mut(target)
            && waiting.octets + payload.len() <= WAITING.0
            && waiting.datagrams.len() < WAITING.1
        {
            waiting.octets += payload.len();
            waiting.datagrams.push(target.clone(), payload);
            return Ok(None);
        }
        Err(DropReason::Overflow)
    }

    /// Returns `true` if something waits for a lookup.
    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Takes the counts of datagrams that have waited in vain.
    pub(super) fn take_dropped(&mut self) -> Option<Drops> {
        self.drops.take()
    }

    /// Forgets what the policies decided as they were: the addresses that may not be used any more,
    /// that there was none, and what waits for an address and has no request any more.
    pub(super) fn renew(
        &mut self,
        allows: impl Fn(&Address, SocketAddr) -> bool,
        admit: impl Fn(&Address) -> Option<Request>,
    ) {
        self.resolved
            .retain(|target, resolved| match resolved.address {
                Ok(address) => allows(target, address),
                Err(_) => false,
            });
        let drops = &mut self.drops;
        self.waiting.retain(|target, waiting| {
            let admitted = admit(target).is_some();
            if !admitted {
                drops.add(DropReason::Refused, waiting.datagrams.len());
            }
            admitted
        });
    }

    /// The names that have an address, each with it.
    pub(super) fn resolved(&self) -> impl Iterator<Item = (&Address, SocketAddr)> {
        let resolved = self.resolved.iter();
        resolved.filter_map(|(target, resolved)| Some((target, resolved.address.ok()?)))
    }

    /// Ready with the datagrams that have waited for a lookup that has ended, and the address to send
    /// them to: of all its addresses, the first that `approve` allows.
    pub(super) fn poll_resolved(
        &mut self,
        cx: &mut Context<'_>,
        approve: impl Fn(&Request, SocketAddr) -> bool,
    ) -> Poll<(Datagrams, SocketAddr)> {
        // Polling no lookup at all costs as much as polling one.
        while !self.running.is_empty()
            && let Poll::Ready(Some((target, outcome))) = self.running.poll_next_unpin(cx)
        {
            let Some(waiting) = self.waiting.remove(&target) else {
                continue; // nothing waits any more
            };
            let outcome = outcome.map(|mut addresses| {
                self.order.sort(&mut addresses);
                addresses
            });
            let address = match outcome {
                Ok(addresses) => addresses
                    .into_iter()
                    .map(|ip| canonical(SocketAddr::new(ip, target.port())))
                    .find(|address| approve(&waiting.request, *address))
                    .ok_or(DropReason::Refused),
                Err(error) => {
                    tracing::debug!(%target, %error, "datagram to a name that is not resolved");
                    Err(DropReason::Unresolved)
                }
            };
            self.remember(target, address);
            match address {
                Ok(address) => return Poll::Ready((waiting.datagrams, address)),
                Err(reason) => self.drops.add(reason, waiting.datagrams.len()),
            }
        }
        Poll::Pending
    }

    fn remember(&mut self, target: Address, address: Result<SocketAddr, DropReason>) {
        if self.resolved.len() >= MOST_RESOLVED {
            self.resolved.clear();
        }
        let fresh = if address.is_ok() {
            FRESH
        } else {
            FRESH_FAILURE
        };
        let until = Instant::now() + fresh;
        self.resolved.insert(target, Resolved { address, until });
    }
}
