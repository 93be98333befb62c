//! Names as destinations, looked up off the data path.

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
    connector::resolve::Resolve,
    datagram::Datagrams,
    error::BoxError,
    io::{DropReason, Drops},
    proto::{Address, DomainName, canonical},
    session::Request,
};

/// Lookups of one association at once; what would need another one is dropped.
const LOOKUPS: usize = 16;

/// Octets that wait for one lookup, and datagrams.
const WAITING: (usize, usize) = (64 * 1024, 256);

/// Names that are remembered.
const REMEMBERED: usize = 64;

/// How long an answer is used, and how long the lack of one.
const FRESH: Duration = Duration::from_secs(60);
const FRESH_FAILURE: Duration = Duration::from_secs(5);

/// How long a lookup may take.
const LIMIT: Duration = Duration::from_secs(5);

type Answer = (Address, Result<Vec<IpAddr>, BoxError>);

/// The names of one association, each with its port.
pub(super) struct Names<R> {
    resolver: R,
    chosen: HashMap<Address, Chosen>,
    waiting: HashMap<Address, Waiting>,
    lookups: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// What has waited in vain.
    drops: Drops,
}

#[derive(Debug)]
struct Chosen {
    address: Result<SocketAddr, DropReason>,
    until: Instant,
}

#[derive(Debug)]
struct Waiting {
    /// What the policies approve addresses for.
    request: Request,
    datagrams: Datagrams,
    octets: usize,
}

impl<R: Resolve> Names<R> {
    pub(super) fn new(resolver: R) -> Self {
        Self {
            resolver,
            chosen: HashMap::new(),
            waiting: HashMap::new(),
            lookups: FuturesUnordered::new(),
            drops: Drops::default(),
        }
    }

    /// The address that was chosen for a name, if there is one. While it is looked up the datagram
    /// waits, and comes back from [`poll_chosen`](Self::poll_chosen). It is looked up only if
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
        match self.chosen.get(target) {
            Some(chosen) if Instant::now() < chosen.until => return chosen.address.map(Some),
            Some(_) => drop(self.chosen.remove(target)),
            None => {}
        }
        if !self.waiting.contains_key(target) {
            if self.lookups.len() >= LOOKUPS {
                return Err(DropReason::Overflow);
            }
            let Some(request) = admit(target) else {
                self.remember(target.clone(), Err(DropReason::Refused));
                return Err(DropReason::Refused);
            };
            let waiting = Waiting {
                request,
                datagrams: Datagrams::new(),
                octets: 0,
            };
            self.waiting.insert(target.clone(), waiting);
            let (resolver, name, target) = (self.resolver.clone(), name.clone(), target.clone());
            self.lookups.push(Box::pin(async move {
                let answer = timeout(LIMIT, resolver.resolve(name)).await;
                (target, answer.unwrap_or_else(|elapsed| Err(elapsed.into())))
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

    /// How many have waited in vain.
    pub(super) fn take_dropped(&mut self) -> Option<Drops> {
        self.drops.take()
    }

    /// Forgets what the policies said as they were: the addresses that may not be used any more,
    /// that there was none, and what waits for an address and has no request any more.
    pub(super) fn renew(
        &mut self,
        allows: impl Fn(&Address, SocketAddr) -> bool,
        admit: impl Fn(&Address) -> Option<Request>,
    ) {
        self.chosen.retain(|target, chosen| match chosen.address {
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

    /// The names that are in use, each with its address.
    pub(super) fn chosen(&self) -> impl Iterator<Item = (&Address, SocketAddr)> {
        let chosen = self.chosen.iter();
        chosen.filter_map(|(target, chosen)| Some((target, chosen.address.ok()?)))
    }

    /// Ready with what has waited for a lookup that has come back, and the address to send it to:
    /// of all its addresses, the first that `approve` likes.
    pub(super) fn poll_chosen(
        &mut self,
        cx: &mut Context<'_>,
        approve: impl Fn(&Request, SocketAddr) -> bool,
    ) -> Poll<(Datagrams, SocketAddr)> {
        // To ask nothing costs as much as to ask something.
        while !self.lookups.is_empty()
            && let Poll::Ready(Some((target, answer))) = self.lookups.poll_next_unpin(cx)
        {
            let Some(waiting) = self.waiting.remove(&target) else {
                continue; // nothing waits any more
            };
            let address = match answer {
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
        if self.chosen.len() >= REMEMBERED {
            self.chosen.clear();
        }
        let fresh = if address.is_ok() {
            FRESH
        } else {
            FRESH_FAILURE
        };
        let until = Instant::now() + fresh;
        self.chosen.insert(target, Chosen { address, until });
    }
}
