//! Relays the datagrams of one association.

use std::{
    cell::Cell,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::client_port::ClientPort;
use crate::{
    datagram::{BatchSocket, DatagramTransport, Datagrams, Fragments, is_own_relay, poll_send_all},
    io::{Direction, DropReason, Drops, Meters, lend, yield_turn},
    proto::{Decode, Decoded, UdpHeader, unmapped},
    relay::{RelayError, RelayErrorKind, Traffic, dropped},
};

/// Batches in each direction in one poll, before other tasks get their turn.
const ROUNDS: usize = 2;

thread_local! {
    static BATCHES: Cell<Option<Box<Batches>>> = const { Cell::new(None) };
}

/// The batches of the relay that is polled, lent by the thread.
#[derive(Default)]
struct Batches {
    up: Datagrams,
    down: Datagrams,
    /// `down`, each datagram behind its header (RFC 1928 section 7).
    encapsulated: Datagrams,
}

/// The limits of an association, and what it takes from its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelayOptions {
    pub(super) idle: Duration,
    pub(super) fragments: Fragmentation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragmentation {
    Reassembled,
    Dropped,
}

/// The datagrams of one association, in both directions.
#[derive(Debug)]
pub(super) struct DatagramRelay<D> {
    pub(super) socket: BatchSocket,
    transport: D,
    pub(super) client: ClientPort,
    pub(super) options: RelayOptions,
    pub(super) fragments: Option<Box<Fragments>>,
    /// What the transport has not taken yet. Nothing more is received from the client until it has.
    unsent_up: Option<Box<Datagrams>>,
    /// What the client's socket has not taken yet.
    unsent_down: Option<Box<Datagrams>>,
    pub(super) traffic: Traffic,
    pub(super) meters: Meters,
    /// The client has sent a datagram in this poll, an empty one perhaps.
    heard: bool,
    /// The meters let nothing of the client's in, so it may be silent without its doing.
    pub(super) is_held_back: bool,
    /// The last datagram of the client's. What comes back to it is no sign of its life.
    pub(super) active: Instant,
}

impl<D: DatagramTransport> DatagramRelay<D> {
    pub(super) fn new(
        socket: BatchSocket,
        transport: D,
        client: ClientPort,
        options: RelayOptions,
        meters: Meters,
    ) -> Self {
        let mut relay = Self {
            socket,
            transport,
            client,
            options,
            fragments: None,
            unsent_up: None,
            unsent_down: None,
            traffic: Traffic::default(),
            meters,
            heard: false,
            is_held_back: false,
            active: Instant::now(),
        };
        relay.connect();
        relay
    }

    /// Has the system do the sorting, where the client has one port.
    fn connect(&mut self) {
        if let Some(client) = self.client.only()
            && BatchSocket::CAN_DISCONNECT
        {
            let _ = self.socket.connect(client);
        }
    }

    /// Returns what has moved so far.
    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Moves datagrams in both directions. Ready only when the transport or the socket is broken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let outcome = lend(&BATCHES, Box::default, |batches| {
            self.poll_rounds(cx, batches)
        });
        if std::mem::take(&mut self.heard) {
            self.active = Instant::now();
            self.client.heard(self.active);
        }
        outcome
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>, batches: &mut Batches) -> Poll<io::Error> {
        // A direction that had nothing, and has not been given anything since, will wake this task.
        let (mut up, mut down) = (true, true);
        for _ in 0..ROUNDS {
            // Answers come to sockets that sending has opened, so sending goes first.
            if up {
                match self.poll_up(cx, &mut batches.up) {
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    outcome => up = outcome.is_ready(),
                }
            }
            if up || down || self.unsent_up.is_some() {
                match self.poll_down(cx, batches) {
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    outcome => down = outcome.is_ready(),
                }
            }
            if !up && !down {
                return Poll::Pending;
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Moves one batch from the client.
    fn poll_up(&mut self, cx: &mut Context<'_>, up: &mut Datagrams) -> Poll<io::Result<()>> {
        if let Some(unsent) = &mut self.unsent_up {
            let sent = self.transport.poll_send(cx, unsent)?;
            self.meters.dropped(unsent.take_dropped());
            ready!(sent);
            self.unsent_up = None;
        }
        up.clear();
        self.is_held_back = true;
        let allowance = ready!(self.poll_meters(cx, Direction::Up))?;
        self.is_held_back = false;
        let before = self.traffic.up;
        let (options, traffic, fragments) = (self.options, &mut self.traffic, &mut self.fragments);
        let (client, heard) = (&mut self.client, &mut self.heard);
        let known = client.only();
        let mut drops = Drops::default();
        let received = self.socket.poll_recv(cx, |source, datagram| {
            let source = unmapped(source);
            if let Err(reason) = client.check(source) {
                return drops.add(reason, 1);
            }
            let Ok(Decoded::Done(header, len)) = UdpHeader::decode(datagram) else {
                return drops.add(DropReason::Malformed, 1);
            };
            let payload = datagram.get(len..).unwrap_or_default();
            client.took(source);
            *heard = true;
            if header.fragment == 0 {
                traffic.up += payload.len() as u64;
                up.push(header.address, payload);
            } else if options.fragments == Fragmentation::Dropped {
                drops.add(DropReason::Fragment, 1);
            } else if let Some((target, whole)) =
                Fragments::add(fragments, header.fragment, header.address, payload)
            {
                traffic.up += whole.len() as u64;
                up.push(target, &whole);
            }
        });
        self.meters.dropped(drops.take());
        ready!(received)?;
        if known.is_none() {
            self.connect();
        }
        if !up.is_empty() {
            let bytes = self.admit(Direction::Up, allowance, self.traffic.up - before, up);
            self.traffic.up = before + bytes;
            self.count(Direction::Up, bytes, up.len());
            let sent = self.transport.poll_send(cx, up)?;
            self.meters.dropped(up.take_dropped());
            if sent.is_pending() {
                self.unsent_up = Some(Box::new(std::mem::take(up)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves one batch to the client.
    fn poll_down(&mut self, cx: &mut Context<'_>, batches: &mut Batches) -> Poll<io::Result<()>> {
        let Batches {
            down, encapsulated, ..
        } = batches;
        let client = self.client.address();
        if let (Some(unsent), Some(client)) = (&mut self.unsent_down, client) {
            let sent = poll_send_all(&self.socket, cx, client, unsent);
            self.meters.dropped(unsent.take_dropped());
            ready!(sent);
            self.unsent_down = None;
        }
        down.clear();
        let allowance = ready!(self.poll_meters(cx, Direction::Down))?;
        let received = self.transport.poll_recv(cx, down)?;
        self.meters.dropped(down.take_dropped());
        ready!(received);
        let Some(client) = client else {
            return Poll::Ready(Ok(())); // nobody to send it to
        };
        if is_own_relay(client) {
            let mut drops = Drops::default();
            drops.add(DropReason::SelfConnection, down.len());
            self.meters.dropped(drops.take());
            return Poll::Ready(Ok(()));
        }
        let payloads = down.iter().map(|(_, payload)| payload.len() as u64);
        let bytes = self.admit(Direction::Down, allowance, payloads.sum(), down);
        self.traffic.down += bytes;
        self.count(Direction::Down, bytes, down.len());
        encapsulated.wrap(down, |source| {
            let header = UdpHeader {
                fragment: 0,
                address: source.clone(),
            };
            header.encode()
        });
        let sent = poll_send_all(&self.socket, cx, client, encapsulated);
        self.meters.dropped(encapsulated.take_dropped());
        if sent.is_pending() {
            self.unsent_down = Some(Box::new(std::mem::take(encapsulated)));
        }
        Poll::Ready(Ok(()))
    }

    /// Ready while the meters allow something to move in a direction. What comes in the meantime waits
    /// in the system, which drops what is too much.
    pub(super) fn poll_meters(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        let allowance = self.meters.poll_allowance(cx, direction);
        allowance.map_err(|error| RelayError::broken(RelayErrorKind::Limit, self.traffic, error))
    }

    /// Drops what the meters have no room for, of a batch that may be more than they allowed. Returns
    /// the octets that are left of it.
    fn admit(
        &mut self,
        direction: Direction,
        allowance: usize,
        bytes: u64,
        batch: &mut Datagrams,
    ) -> u64 {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut left = bytes;
        if bytes > allowance {
            let most = self.meters.admit(direction, bytes);
            if most < bytes {
                left = batch.limit(most);
                self.meters.dropped(batch.take_dropped());
            }
        }
        left as u64
    }

    fn count(&mut self, direction: Direction, bytes: u64, datagrams: usize) {
        self.meters
            .moved(direction, usize::try_from(bytes).unwrap_or(usize::MAX));
        self.meters.datagrams(direction, datagrams);
    }
}

impl<D> Drop for DatagramRelay<D> {
    fn drop(&mut self) {
        dropped::leave(self.traffic);
    }
}
