//! Relays the datagrams of one association.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use crate::datagram::Fragments;
use crate::{
    datagram::{BatchSocket, DatagramTransport, Datagrams, poll_send_all},
    io::{Direction, DropReason, Drops, Meters, lend, yield_turn},
    proto::{Decode, Decoded, UdpHeader, canonical},
    relay::{LazyTimer, RelayError, RelayErrorKind, Traffic, after},
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
    pub(super) ports: ClientPort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragmentation {
    Reassembled,
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientPort {
    Fixed,
    Any,
}

/// The datagrams of one association, in both directions.
#[derive(Debug)]
pub(super) struct DatagramRelay<D> {
    socket: BatchSocket,
    transport: D,
    /// The client, with the port that its datagrams come from once that is known.
    client: SocketAddr,
    options: RelayOptions,
    fragments: Option<Box<Fragments>>,
    /// What the transport has not taken yet. Nothing more is received from the client until it has.
    unsent_up: Option<Box<Datagrams>>,
    /// What the client's socket has not taken yet.
    unsent_down: Option<Box<Datagrams>>,
    traffic: Traffic,
    meters: Meters,
    /// A datagram has moved in this poll, an empty one perhaps.
    moved: bool,
    active: Instant,
}

impl<D: DatagramTransport> DatagramRelay<D> {
    pub(super) fn new(
        socket: BatchSocket,
        transport: D,
        client: IpAddr,
        options: RelayOptions,
        meters: Meters,
    ) -> Self {
        Self {
            socket,
            transport,
            client: SocketAddr::new(client, 0),
            options,
            fragments: None,
            unsent_up: None,
            unsent_down: None,
            traffic: Traffic::default(),
            meters,
            moved: false,
            active: Instant::now(),
        }
    }

    /// Returns what has moved so far.
    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Moves datagrams in both directions. Ready only when the transport is broken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let outcome = lend(&BATCHES, Box::default, |batches| {
            self.poll_rounds(cx, batches)
        });
        if std::mem::take(&mut self.moved) {
            self.active = Instant::now();
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
        ready!(self.poll_meters(cx, Direction::Up))?;
        let before = self.traffic.up;
        let (options, traffic, fragments) = (self.options, &mut self.traffic, &mut self.fragments);
        let client = &mut self.client;
        let known = client.port();
        let mut drops = Drops::default();
        let received = self.socket.poll_recv(cx, |source, datagram| {
            let source = canonical(source);
            let expected = match options.ports {
                ClientPort::Fixed => client.port() == 0 || *client == source,
                ClientPort::Any => true,
            };
            if source.ip() != client.ip() || !expected {
                return drops.add(DropReason::Stranger, 1);
            }
            let Ok(Decoded::Done(header, len)) = UdpHeader::decode(datagram) else {
                return drops.add(DropReason::Malformed, 1);
            };
            let payload = datagram.get(len..).unwrap_or_default();
            *client = source;
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
        // An error is news of an earlier datagram to the client, and costs that one only.
        let _ = ready!(received);
        if known == 0 && self.client.port() != 0 && options.ports == ClientPort::Fixed {
            // The system can do the sorting from here on.
            let _ = self.socket.connect(self.client);
        }
        if !up.is_empty() {
            self.moved = true;
            self.count(Direction::Up, self.traffic.up - before, up.len());
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
        if let Some(unsent) = &mut self.unsent_down {
            let sent = poll_send_all(&self.socket, cx, self.client, unsent);
            self.meters.dropped(unsent.take_dropped());
            ready!(sent);
            self.unsent_down = None;
        }
        down.clear();
        ready!(self.poll_meters(cx, Direction::Down))?;
        let received = self.transport.poll_recv(cx, down)?;
        self.meters.dropped(down.take_dropped());
        ready!(received);
        if self.client.port() == 0 {
            return Poll::Ready(Ok(())); // nobody to send it to
        }
        self.moved = true;
        let payloads = down.iter().map(|(_, payload)| payload.len() as u64);
        let bytes = payloads.sum();
        self.traffic.down += bytes;
        self.count(Direction::Down, bytes, down.len());
        encapsulated.wrap(down, |source| {
            let header = UdpHeader {
                fragment: 0,
                address: source.clone(),
            };
            header.encode()
        });
        let sent = poll_send_all(&self.socket, cx, self.client, encapsulated);
        self.meters.dropped(encapsulated.take_dropped());
        if sent.is_pending() {
            self.unsent_down = Some(Box::new(std::mem::take(encapsulated)));
        }
        Poll::Ready(Ok(()))
    }

    /// Ready while the meters allow something to move in a direction. What comes in the meantime waits
    /// in the system, which drops what is too much.
    fn poll_meters(&mut self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let allowance = self.meters.poll_allowance(cx, direction).map_ok(drop);
        allowance.map_err(|error| RelayError::broken(RelayErrorKind::Limit, self.traffic, error))
    }

    fn count(&mut self, direction: Direction, bytes: u64, datagrams: usize) {
        self.meters
            .moved(direction, usize::try_from(bytes).unwrap_or(usize::MAX));
        self.meters.datagrams(direction, datagrams);
    }

    /// Ready once nothing has moved for too long. Looks at the clock when the timer has fired.
    pub(super) fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut LazyTimer>,
    ) -> Poll<io::Error> {
        loop {
            let idle = after(self.active, self.options.idle);
            let queue = self.fragments.as_ref().map(|queue| queue.until());
            let next = queue.map_or(idle, |until| until.min(idle));
            timer.as_mut().no_later_than(next);
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if idle <= now {
                return Poll::Ready(RelayError::timed_out(RelayErrorKind::Idle, self.traffic));
            }
            if queue.is_some_and(|until| until <= now) {
                self.fragments = None;
            }
            // The next round makes it earlier, for a queue that is left.
            timer.as_mut().set(idle);
        }
    }
}
