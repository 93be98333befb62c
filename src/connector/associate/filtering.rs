//! The destinations of an association, and whose datagrams may come back (RFC 4787 section 5).

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;

use crate::{datagram::is_unicast, proto::Address, session::Request};

/// Whose datagrams may come back to the client, in the terms of RFC 4787 section 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Filtering {
    /// Those of any host that finds the port, as long as the policy allows the client to send to it.
    EndpointIndependent,
    /// Those of hosts that the client has sent to, from any of their ports.
    #[default]
    AddressDependent,
    /// Those of hosts that the client has sent to, from the port that it sent to.
    AddressAndPortDependent,
}

/// Set once all datagrams of an association have one destination, and the client is told no sources: then nobody
/// else's may come back, whatever [`Filtering`] says. It rides in the extensions of the request.
#[derive(Clone, Debug, Default)]
pub(super) struct OneDestination(Arc<AtomicBool>);

impl OneDestination {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The destinations of one association, each with what the policies decided.
#[derive(Debug)]
pub(super) struct Destinations {
    request: Request,
    /// Of the policies, when they were asked.
    version: u64,
    filtering: Filtering,
    capacity: usize,
    known: HashMap<SocketAddr, Destination>,
    /// The destination of the last datagram, which is most often the one of the next.
    latest: Option<SocketAddr>,
}

#[derive(Debug)]
struct Destination {
    /// Whether the policies allow the address as stated, if they were asked.
    approved: Option<bool>,
    /// Something was sent there under this name, which they allowed.
    name: Option<Address>,
    used: Instant,
}

impl Destination {
    fn is_known_to_client(&self) -> bool {
        self.name.is_some() || self.approved == Some(true)
    }
}

impl Destinations {
    pub(super) fn new(request: Request, filtering: Filtering, capacity: usize) -> Self {
        Self {
            version: request.guard.version(),
            request,
            filtering,
            capacity: capacity.max(1),
            known: HashMap::new(),
            latest: None,
        }
    }

    /// Whether a datagram may go to an address as stated. Remembers that it did.
    pub(super) fn approve(&mut self, address: SocketAddr) -> bool {
        if self.latest == Some(address) {
            return true;
        }
        let approved = match self.known.get(&address).and_then(|known| known.approved) {
            Some(approved) => approved,
            None => self.allows(address),
        };
        self.entry(address).approved = Some(approved);
        if approved {
            self.latest = Some(address);
        }
        approved
    }

    /// Remembers that something is sent to a name with this address, so that answers are let in.
    pub(super) fn add_name(&mut self, address: SocketAddr, target: &Address) {
        let entry = self.entry(address);
        if entry.name.as_ref() != Some(target) {
            entry.name = Some(target.clone());
        }
        // The next one by address notes when that was.
        self.latest = None;
    }

    /// Remembers another name with this address that is still allowed, where the last one is not.
    pub(super) fn restore_name(&mut self, address: SocketAddr, target: &Address) {
        if let Some(known) = self.known.get_mut(&address)
            && known.name.is_none()
        {
            known.name = Some(target.clone());
        }
    }

    /// Asks the policies again about everything that is known, if they have changed since, so that
    /// neither what was allowed goes on nor an answer that is still allowed is lost. Returns whether
    /// they have.
    pub(super) fn renew(&mut self) -> bool {
        let version = self.request.guard.version();
        if version == self.version {
            return false;
        }
        self.version = version;
        self.latest = None;
        let mut known = std::mem::take(&mut self.known);
        for (address, destination) in &mut known {
            destination.approved = destination.approved.map(|_| self.allows(*address));
            let name = destination.name.take();
            destination.name = name.filter(|target| self.allows_as(target, *address));
        }
        self.known = known;
        true
    }

    /// Whether an address is known, and allowed by itself or under a name.
    pub(super) fn is_open(&self, address: SocketAddr) -> bool {
        let known = self.known.get(&address);
        known.is_some_and(Destination::is_known_to_client)
    }

    /// Whether a datagram may go to an address under a name.
    pub(super) fn allows_as(&self, target: &Address, address: SocketAddr) -> bool {
        self.request_for(target)
            .is_some_and(|request| approves(&request, address))
    }

    /// Whether a datagram may go to an address that the client has stated.
    fn allows(&self, address: SocketAddr) -> bool {
        self.allows_as(&Address::Ip(address), address)
    }

    /// A destination in the form in which it is judged.
    pub(super) fn complete(&self, target: &Address) -> Address {
        self.request.complete(target.clone())
    }

    /// The request to ask the policies about the addresses of a target with, unless they refuse it as
    /// stated.
    pub(super) fn request_for(&self, target: &Address) -> Option<Request> {
        match self.request.for_datagram(target.clone()) {
            Ok(request) => Some(request),
            Err(refusal) => {
                tracing::debug!(%target, %refusal, "datagram refused");
                None
            }
        }
    }

    /// Whether the filtering lets a datagram from this source in.
    pub(super) fn expects(&self, source: SocketAddr) -> bool {
        if self.latest == Some(source) {
            return true;
        }
        if self.is_open(source) {
            return true;
        }
        let one = self.request.extensions.get::<OneDestination>();
        match self.filtering {
            _ if one.is_some_and(OneDestination::is_set) => false,
            Filtering::EndpointIndependent => self.allows(source),
            Filtering::AddressDependent => self
                .known
                .iter()
                .any(|(address, known)| known.is_known_to_client() && address.ip() == source.ip()),
            Filtering::AddressAndPortDependent => false,
        }
    }

    /// The entry of an address. The one that was not used for the longest time makes room.
    fn entry(&mut self, address: SocketAddr) -> &mut Destination {
        if self.known.len() >= self.capacity && !self.known.contains_key(&address) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.known.remove(&oldest);
                self.latest = None;
            }
        }
        let used = Instant::now();
        let known = self.known.entry(address).or_insert(Destination {
            approved: None,
            name: None,
            used,
        });
        known.used = used;
        known
    }
}

/// Whether a datagram may go to an address of the request's target.
pub(super) fn approves(request: &Request, address: SocketAddr) -> bool {
    if !is_unicast(address) {
        tracing::debug!(%address, "datagram to an address that is no single host's");
        return false;
    }
    match request.approve(address) {
        Ok(()) => true,
        Err(refusal) => {
            tracing::debug!(%address, %refusal, "datagram refused");
            false
        }
    }
}
