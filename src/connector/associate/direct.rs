//! Datagrams from this machine: the path of [`MakeDirect`](super::MakeDirect).

use std::{
    cell::Cell,
    fmt, io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use super::{
    filtering::{Destinations, approves},
    lookups::Names,
};
use crate::{
    connector::resolve::Resolve,
    datagram::{BatchSocket, DatagramTransport, Datagrams, poll_send_front},
    io::{DropReason, yield_turn},
    proto::{Address, canonical},
};

/// Batches that nobody expects, in one poll, before other tasks get their turn.
const UNWANTED: usize = 4;

/// Sockets of this machine, one for each family, opened with the first datagram that needs it.
pub struct DirectTransport<R> {
    sockets: Sockets,
    destinations: Destinations,
    names: Names<R>,
    /// What is to be sent by address, the names replaced.
    ready: Datagrams,
}

impl<R: Resolve> DirectTransport<R> {
    pub(super) fn new(destinations: Destinations, resolver: R) -> Self {
        Self {
            sockets: Sockets::default(),
            destinations,
            names: Names::new(resolver),
            ready: Datagrams::new(),
        }
    }

    /// Asks the policies again about what they have said, if they have changed.
    fn renew(&mut self) {
        let Self {
            destinations,
            names,
            ready,
            ..
        } = self;
        if destinations.renew() {
            names.renew(
                |target, address| destinations.allows_as(target, address),
                |target| destinations.request_for(target),
            );
            for (target, address) in names.chosen() {
                destinations.still_named(address, target);
            }
            // What waits for room was approved of by the policies as they were.
            ready.retain(|target, _| target.ip().is_some_and(|ip| destinations.is_open(ip)));
        }
    }

    /// Replaces names by addresses, and leaves out what may not or cannot go.
    fn sort(&mut self, out: &mut Datagrams) {
        out.retain_mut(|target, payload| {
            let address = match target.clone().canonical() {
                Ok(Address::Ip(address)) if self.destinations.approve(address) => address,
                Ok(Address::Ip(_)) => return Err(DropReason::Refused),
                Ok(Address::Name(name, _)) => {
                    let admit = |target: &Address| self.destinations.request_for(target);
                    match self.names.address(target, &name, payload, admit)? {
                        Some(address) => {
                            self.destinations.named(address, target);
                            address
                        }
                        None => return Ok(false), // it waits
                    }
                }
                Err(_) => return Err(DropReason::Malformed),
            };
            *target = Address::Ip(address);
            Ok(true)
        });
    }

    /// Takes what has waited for a name.
    fn poll_names(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready((waiting, address)) = self.names.poll_chosen(cx, approves) {
            for (target, payload) in waiting.iter() {
                self.destinations.named(address, target);
                self.ready.push(Address::Ip(address), payload);
            }
        }
    }

    /// Ready once nothing is kept back.
    fn poll_ready_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ready.is_empty() {
            ready!(self.sockets.poll_send(cx, &mut self.ready));
            // An idle association keeps no room.
            let mut done = std::mem::take(&mut self.ready);
            self.ready.add_dropped(done.take_dropped());
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
    fn towards(&mut self, address: SocketAddr) -> io::Result<&BatchSocket> {
        let slot = if address.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        };
        match slot {
            Some(socket) => Ok(socket),
            None => Ok(slot.insert(BatchSocket::towards(address)?)),
        }
    }

    /// Ready once `out`, which has addresses only, is empty.
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<()> {
        loop {
            let front = out.iter().next().map(|(target, _)| target.ip());
            let Some(address) = front else {
                return Poll::Ready(());
            };
            match address.map(|address| (address, self.towards(address))) {
                Some((address, Ok(socket))) => {
                    ready!(poll_send_front(socket, cx, address, out));
                }
                Some((address, Err(error))) => {
                    tracing::debug!(%address, %error, "no socket for a datagram");
                    out.dropped(DropReason::Unsendable, 1);
                    out.take_first(1);
                }
                None => out.take_first(1),
            }
        }
    }

    fn open(&mut self) -> impl Iterator<Item = &mut BatchSocket> {
        [&mut self.v4, &mut self.v6].into_iter().flatten()
    }
}

impl<R: Resolve> DatagramTransport for DirectTransport<R> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        self.renew();
        out.add_dropped(self.ready.take_dropped());
        ready!(self.poll_ready_out(cx));
        self.sort(out);
        if self.sockets.poll_send(cx, out).is_pending() {
            // Kept here, since names are addresses now: not to be sorted again.
            self.ready = std::mem::take(out);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        self.renew();
        self.poll_names(cx);
        // What is left waits for room, and this task hears of it.
        let _ = self.poll_ready_out(cx);
        into.add_dropped(self.ready.take_dropped());
        into.add_dropped(self.names.take_dropped());
        let strangers = Cell::new(0);
        let destinations = &self.destinations;
        let kept = Cell::new(0_usize);
        let mut receive = |source: SocketAddr, payload: &[u8]| {
            let source = canonical(source);
            if destinations.expects(source) {
                into.push(Address::Ip(source), payload);
                kept.set(kept.get() + 1);
            } else {
                strangers.set(strangers.get() + 1);
            }
        };
        for socket in self.sockets.open() {
            for tries in 1.. {
                // An error is news of an earlier datagram, and costs that one only.
                if socket.poll_recv(cx, &mut receive).is_pending() || kept.get() > 0 {
                    break;
                }
                if tries == UNWANTED {
                    yield_turn(cx);
                    break;
                }
            }
        }
        if strangers.get() > 0 {
            into.dropped(DropReason::Stranger, strangers.get());
        }
        if into.is_empty() {
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
