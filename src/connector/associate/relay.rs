//! What passes through an association.

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
    proto::{Decode, Decoded, UdpHeader},
    relay::{Alarm, RelayError, RelayErrorKind, Traffic, after},
};

/// Batches each way in one poll, before other tasks get their turn.
const ROUNDS: usize = 2;

thread_local! {
    static BATCHES: Cell<Option<Box<Batches>>> = const { Cell::new(None) };
}

/// Datagrams on their way through this thread.
#[derive(Default)]
struct Batches {
    out: Datagrams,
    back: Datagrams,
    /// `back`, as the client wants it.
    wrapped: Datagrams,
}

/// What an association does with its client's datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) idle: Duration,
    pub(super) fragments: Fragmentation,
    pub(super) ports: ClientPort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragmentation {
    Reassembled,
    DropReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientPort {
    Fixed,
    Any,
}

/// The datagrams of one association, both ways.
#[derive(Debug)]
pub(super) struct Flow<P> {
    socket: BatchSocket,
    path: P,
    /// The client, with the port that its datagrams come from once that is known.
    client: SocketAddr,
    terms: Terms,
    fragments: Option<Box<Fragments>>,
    /// What the path has not taken yet. Nothing more is received until it has.
    held_out: Option<Box<Datagrams>>,
    /// What the client's socket has not taken yet.
    held_back: Option<Box<Datagrams>>,
    traffic: Traffic,
    meters: Meters,
    /// A datagram has passed in this poll, an empty one perhaps.
    moved: bool,
    active: Instant,
}

impl<P: DatagramTransport> Flow<P> {
    pub(super) fn new(
        socket: BatchSocket,
        path: P,
        client: IpAddr,
        terms: Terms,
        meters: Meters,
    ) -> Self {
        Self {
            socket,
            path,
            client: SocketAddr::new(client, 0),
            terms,
            fragments: None,
            held_out: None,
            held_back: None,
            traffic: Traffic::default(),
            meters,
            moved: false,
            active: Instant::now(),
        }
    }

    /// What has passed so far.
    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Moves datagrams both ways. Ready only when the path is broken.
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
        // Who had nothing, and has not been given anything since, will wake this task.
        let (mut out, mut back) = (true, true);
        for _ in 0..ROUNDS {
            // Answers come to sockets that sending has opened, so sending goes first.
            if out {
                match self.poll_out(cx, &mut batches.out) {
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    outcome => out = outcome.is_ready(),
                }
            }
            if out || back || self.held_out.is_some() {
                match self.poll_back(cx, batches) {
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    outcome => back = outcome.is_ready(),
                }
            }
            if !out && !back {
                return Poll::Pending;
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// One batch of the client's.
    fn poll_out(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        if let Some(held) = &mut self.held_out {
            let sent = self.path.poll_send(cx, held)?;
            self.meters.dropped(held.take_dropped());
            ready!(sent);
            self.held_out = None;
        }
        out.clear();
        ready!(self.poll_meters(cx, Direction::Up))?;
        let before = self.traffic.up;
        let (terms, traffic, fragments) = (self.terms, &mut self.traffic, &mut self.fragments);
        let client = &mut self.client;
        let known = client.port();
        let mut drops = Drops::default();
        let received = self.socket.poll_recv(cx, |source, datagram| {
            let source = SocketAddr::new(source.ip().to_canonical(), source.port());
            let expected = match terms.ports {
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
                out.push(header.address, payload);
            } else if terms.fragments == Fragmentation::DropReason {
                drops.add(DropReason::Fragment, 1);
            } else if let Some((target, whole)) =
                Fragments::add(fragments, header.fragment, header.address, payload)
            {
                traffic.up += whole.len() as u64;
                out.push(target, &whole);
            }
        });
        self.meters.dropped(drops.take());
        // An error is news of an earlier datagram to the client, and costs that one only.
        let _ = ready!(received);
        if known == 0 && self.client.port() != 0 && terms.ports == ClientPort::Fixed {
            // The system can do the sorting from here on.
            let _ = self.socket.connect(self.client);
        }
        if !out.is_empty() {
            self.moved = true;
            self.count(Direction::Up, self.traffic.up - before, out.len());
            let sent = self.path.poll_send(cx, out)?;
            self.meters.dropped(out.take_dropped());
            if sent.is_pending() {
                self.held_out = Some(Box::new(std::mem::take(out)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One batch for the client.
    fn poll_back(&mut self, cx: &mut Context<'_>, batches: &mut Batches) -> Poll<io::Result<()>> {
        let Batches { back, wrapped, .. } = batches;
        if let Some(held) = &mut self.held_back {
            let sent = poll_send_all(&self.socket, cx, self.client, held);
            self.meters.dropped(held.take_dropped());
            ready!(sent);
            self.held_back = None;
        }
        back.clear();
        ready!(self.poll_meters(cx, Direction::Down))?;
        let received = self.path.poll_recv(cx, back)?;
        self.meters.dropped(back.take_dropped());
        ready!(received);
        if self.client.port() == 0 {
            return Poll::Ready(Ok(())); // nobody to send it to
        }
        self.moved = true;
        let payloads = back.iter().map(|(_, payload)| payload.len() as u64);
        let bytes = payloads.sum();
        self.traffic.down += bytes;
        self.count(Direction::Down, bytes, back.len());
        wrapped.wrap(back, |source| {
            let header = UdpHeader {
                fragment: 0,
                address: source.clone(),
            };
            header.encode()
        });
        let sent = poll_send_all(&self.socket, cx, self.client, wrapped);
        self.meters.dropped(wrapped.take_dropped());
        if sent.is_pending() {
            self.held_back = Some(Box::new(std::mem::take(wrapped)));
        }
        Poll::Ready(Ok(()))
    }

    /// Ready while something may move that way. What comes in the meantime waits in the system, which
    /// drops what is too much.
    fn poll_meters(&mut self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let allowance = self.meters.poll_allowance(cx, direction).map_ok(drop);
        allowance.map_err(|error| RelayError::broken(RelayErrorKind::Limit, self.traffic, error))
    }

    fn count(&mut self, direction: Direction, bytes: u64, datagrams: usize) {
        self.meters
            .moved(direction, usize::try_from(bytes).unwrap_or(usize::MAX));
        self.meters.datagrams(direction, datagrams);
    }

    /// Ready once nothing has moved for too long. Looks at the clock when the alarm has fired.
    pub(super) fn poll_alarm(
        &mut self,
        cx: &mut Context<'_>,
        mut alarm: Pin<&mut Alarm>,
    ) -> Poll<io::Error> {
        loop {
            let idle = after(self.active, self.terms.idle);
            let queue = self.fragments.as_ref().map(|queue| queue.until());
            let next = queue.map_or(idle, |until| until.min(idle));
            alarm.as_mut().no_later_than(next);
            ready!(alarm.as_mut().poll(cx));
            let now = Instant::now();
            if idle <= now {
                return Poll::Ready(RelayError::timed_out(RelayErrorKind::Idle, self.traffic));
            }
            if queue.is_some_and(|until| until <= now) {
                self.fragments = None;
            }
            // The next round makes it earlier, for a queue that is left.
            alarm.as_mut().set(idle);
        }
    }
}
