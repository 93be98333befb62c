//! Sends and receives datagrams from this machine: the transport of [`MakeDirect`](super::MakeDirect).

use std::{
    cell::Cell,
    fmt, io,
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    filtering::{Destinations, approves},
    lookups::Lookups,
};
use crate::{
    admission::LogBudget,
    connector::{outgoing::Outgoing, resolve::Resolve},
    datagram::{BatchSocket, DatagramTransport, Datagrams, is_own_relay, poll_send_front},
    error::{Chain, is_exhausted},
    io::{DropReason, yield_turn},
    proto::{Address, canonical},
    session::Request,
};

/// Batches in one poll that the filtering rejects as a whole, before other tasks get their turn.
const REJECTED_BATCHES: usize = 4;

/// Sends from sockets of this machine, and receives what the filtering lets in.
pub struct DirectTransport<R> {
    sockets: Sockets,
    outgoing: Outgoing,
    destinations: Destinations,
    lookups: Lookups<R>,
    /// What the sockets have not taken yet, with addresses in place of names.
    unsent: Datagrams,
}

impl<R: Resolve> DirectTransport<R> {
    pub(super) fn new(destinations: Destinations, resolver: R, outgoing: Outgoing) -> Self {
        Self {
            sockets: Sockets::default(),
            lookups: Lookups::new(resolver, outgoing.order()),
            // A socket is for all destinations of its family.
            outgoing: outgoing.for_any_target(),
            destinations,
            unsent: Datagrams::new(),
        }
    }

    /// Asks the policies again about what they have decided, if they have changed.
    fn renew(destinations: &mut Destinations, lookups: &mut Lookups<R>, unsent: &mut Datagrams) {
        if destinations.renew() {
            lookups.renew(
                |target, address| destinations.allows_as(target, address),
                |target| destinations.request_for(target),
            );
            for (target, address) in lookups.resolved() {
                destinations.restore_name(address, target);
            }
            // What waits for room was approved by the policies as they were.
            unsent.retain(|target, _| target.ip().is_some_and(|ip| destinations.is_open(ip)));
        }
    }

    /// Replaces names by addresses, and takes out what a policy refuses or what cannot be sent.
    fn resolve_and_filter(&mut self, batch: &mut Datagrams) {
        batch.retain_mut(|target, payload| {
            *target = self.destinations.complete(target);
            let address = match &*target {
                Address::Ip(address) if is_own_relay(*address) => {
                    return Err(DropReason::SelfConnection);
                }
                Address::Ip(address) if !self.outgoing.reaches(address.ip()) => {
                    return Err(DropReason::Unsendable);
                }
                Address::Ip(address) if self.destinations.approve(*address) => *address,
                Address::Ip(_) => return Err(DropReason::Refused),
                Address::Name(name, _) => {
                    let admit = |target: &Address| self.destinations.request_for(target);
                    match self.lookups.address(target, name, payload, admit)? {
                        Some(address) if is_own_relay(address) => {
                            return Err(DropReason::SelfConnection);
                        }
                        Some(address) => {
                            self.destinations.add_name(address, target);
                            address
                        }
                        None => return Ok(false), // it waits
                    }
                }
            };
            *target = Address::Ip(address);
            Ok(true)
        });
    }

    /// Takes the datagrams whose names have been resolved.
    fn poll_lookups(&mut self, cx: &mut Context<'_>) {
        let outgoing = &self.outgoing;
        let approve = |request: &Request, address: SocketAddr| {
            outgoing.reaches(address.ip()) && approves(request, address)
        };
        while let Poll::Ready((waiting, address)) = self.lookups.poll_resolved(cx, approve) {
            if is_own_relay(address) {
                self.unsent
                    .dropped(DropReason::SelfConnection, waiting.len());
                continue;
            }
            for (target, payload) in waiting.iter() {
                self.destinations.add_name(address, target);
                self.unsent.push(Address::Ip(address), payload);
            }
        }
    }

    /// Ready once the sockets have taken everything.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unsent.is_empty() {
            ready!(self.sockets.poll_send(cx, &self.outgoing, &mut self.unsent));
            // An idle association keeps no room.
            let mut done = std::mem::take(&mut self.unsent);
            self.unsent.add_dropped(done.take_dropped());
        }
        Poll::Ready(())
    }
}

/// One socket for each family, opened with the first datagram that needs it.
#[derive(Debug, Default)]
struct Sockets {
    v4: Option<BatchSocket>,
    v6: Option<BatchSocket>,
}

impl Sockets {
    fn for_destination(
        &mut self,
        address: SocketAddr,
        outgoing: &Outgoing,
    ) -> io::Result<&BatchSocket> {
        let slot = if address.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        };
        match slot {
            Some(socket) => Ok(socket),
            None => Ok(slot.insert(outgoing.datagrams_towards(address)?)),
        }
    }

    /// Ready once `batch`, which has addresses only, is empty.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &Outgoing,
        batch: &mut Datagrams,
    ) -> Poll<()> {
        loop {
            let front = batch.iter().next().map(|(target, _)| target.ip());
            let Some(address) = front else {
                return Poll::Ready(());
            };
            match address.map(|address| (address, self.for_destination(address, outgoing))) {
                Some((address, Ok(socket))) => {
                    ready!(poll_send_front(socket, cx, address, batch));
                }
                Some((address, Err(error))) => {
                    no_socket(address, &error);
                    batch.dropped(DropReason::Unsendable, 1);
                    batch.take_first(1);
                }
                None => batch.take_first(1),
            }
        }
    }

    fn open(&mut self) -> impl Iterator<Item = &mut BatchSocket> {
        [&mut self.v4, &mut self.v6].into_iter().flatten()
    }
}

/// Says why there is no socket: where it is for lack of something here, as a warning, one a minute.
fn no_socket(address: SocketAddr, error: &io::Error) {
    static LINES: LogBudget = LogBudget::new(1, Duration::from_secs(60));
    let error = Chain(error);
    if !is_exhausted(error.0) {
        tracing::debug!(%address, %error, "no socket for a datagram");
    } else if let Some(suppressed) = LINES.take() {
        let suppressed = suppressed.field();
        tracing::warn!(%address, %error, suppressed, "no socket for a datagram");
    }
}

impl<R: Resolve> DatagramTransport for DirectTransport<R> {
    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        Self::renew(&mut self.destinations, &mut self.lookups, &mut self.unsent);
        batch.add_dropped(self.unsent.take_dropped());
        ready!(self.poll_unsent(cx));
        self.resolve_and_filter(batch);
        if self
            .sockets
            .poll_send(cx, &self.outgoing, batch)
            .is_pending()
        {
            // Kept here, since names are addresses now: not to be resolved and filtered again.
            self.unsent = std::mem::take(batch);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        // Where nothing waits, the policies are asked with the first datagram: most often there is none.
        let mut is_renewed = self.lookups.are_running() || !self.unsent.is_empty();
        if is_renewed {
            Self::renew(&mut self.destinations, &mut self.lookups, &mut self.unsent);
            self.poll_lookups(cx);
            // What is left waits for room, and this task hears of it.
            let _ = self.poll_unsent(cx);
        }
        batch.add_dropped(self.unsent.take_dropped());
        batch.add_dropped(self.lookups.take_dropped());
        let rejected = Cell::new(0);
        let own = Cell::new(0);
        let accepted = Cell::new(0_usize);
        let Self {
            sockets,
            destinations,
            lookups,
            unsent,
            ..
        } = self;
        let mut receive = |source: SocketAddr, payload: &[u8]| {
            if !std::mem::replace(&mut is_renewed, true) {
                Self::renew(destinations, lookups, unsent);
            }
            let source = canonical(source);
            if is_own_relay(source) {
                own.set(own.get() + 1);
            } else if destinations.expects(source) {
                batch.push(Address::Ip(source), payload);
                accepted.set(accepted.get() + 1);
            } else {
                rejected.set(rejected.get() + 1);
            }
        };
        for socket in sockets.open() {
            for tries in 1.. {
                if socket.poll_recv(cx, &mut receive)?.is_pending() || accepted.get() > 0 {
                    break;
                }
                if tries == REJECTED_BATCHES {
                    yield_turn(cx);
                    break;
                }
            }
        }
        if own.get() > 0 {
            batch.dropped(DropReason::SelfConnection, own.get());
        }
        if rejected.get() > 0 {
            batch.dropped(DropReason::Stranger, rejected.get());
        }
        if batch.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl<R> fmt::Debug for DirectTransport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectTransport").finish_non_exhaustive()
    }
}
