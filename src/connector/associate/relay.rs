//! Relays the datagrams of one association.

use std::{
    cell::Cell,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::client::{ClientEnd, Received};
use crate::{
    datagram::{DatagramTransport, Datagrams},
    io::{Direction, Meters, lend, yield_turn},
    relay::{RelayError, RelayErrorKind, Traffic, dropped},
    session::record::Destinations,
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
    /// `down`, in the form in which it goes to the client.
    encapsulated: Datagrams,
}

/// The datagrams of one association, in both directions.
pub(super) struct DatagramRelay<D, C> {
    transport: D,
    pub(super) client: C,
    pub(super) idle: Duration,
    /// What the transport has not taken yet. Nothing more is received from the client until it has.
    unsent_up: Option<Box<Datagrams>>,
    traffic: Traffic,
    meters: Meters,
    /// Counts by destination, where somebody asks.
    pub(super) destinations: Option<Destinations>,
    /// The client has sent a datagram in this poll, an empty one perhaps.
    heard: bool,
    /// The meters let nothing of the client's in, so it may be silent without its doing.
    pub(super) is_held_back: bool,
    /// The last datagram of the client's. What comes back to it is no sign of its life.
    pub(super) active: Instant,
}

impl<D: DatagramTransport, C: ClientEnd> DatagramRelay<D, C> {
    pub(super) fn new(transport: D, client: C, idle: Duration, meters: Meters) -> Self {
        Self {
            transport,
            client,
            idle,
            unsent_up: None,
            traffic: Traffic::default(),
            meters,
            destinations: None,
            heard: false,
            is_held_back: false,
            active: Instant::now(),
        }
    }

    /// Returns what has moved so far.
    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Ready once the client has ended the association otherwise than by a datagram.
    pub(super) fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.client.poll_control(cx, &mut self.meters, self.traffic)
    }

    /// Moves datagrams in both directions. Ready once the client has ended, or the transport or the client's end
    /// is broken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = lend(&BATCHES, Box::default, |batches| {
            self.poll_rounds(cx, batches)
        });
        if std::mem::take(&mut self.heard) {
            self.active = Instant::now();
            self.client.heard(self.active);
        }
        outcome
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>, batches: &mut Batches) -> Poll<io::Result<()>> {
        // A direction that had nothing, and has not been given anything since, will wake this task.
        let (mut up, mut down) = (true, true);
        for _ in 0..ROUNDS {
            // Answers come to sockets that sending has opened, so sending goes first.
            if up {
                match self.poll_up(cx, &mut batches.up)? {
                    Poll::Ready(false) => return Poll::Ready(Ok(())),
                    outcome => up = outcome.is_ready(),
                }
            }
            if up || down || self.unsent_up.is_some() {
                down = self.poll_down(cx, batches)?.is_ready();
            }
            if !up && !down {
                return Poll::Pending;
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Moves one batch from the client. Ready with `false` at the client's end.
    fn poll_up(&mut self, cx: &mut Context<'_>, up: &mut Datagrams) -> Poll<io::Result<bool>> {
        let Poll::Ready(allowance) = self.poll_room(cx)? else {
            let gone = self.client.poll_gone(cx);
            return gone.map(|gone| self.client_end(gone.map(|()| false)));
        };
        up.clear();
        let mut received = Received::default();
        let outcome = self.client.poll_recv(cx, allowance, up, &mut received);
        self.meters.dropped(received.drops.take());
        self.heard |= received.heard;
        let goes_on = self.client_end(ready!(outcome))?;
        if received.octets > 0 || !up.is_empty() {
            let bytes = self.admit(Direction::Up, allowance, received.octets, up);
            self.traffic.up += bytes;
            self.count(Direction::Up, bytes, up.len());
        }
        if !up.is_empty() {
            if let Some(destinations) = &self.destinations {
                destinations.sent(up.iter());
            }
            let sent = self.transport.poll_send(cx, up);
            let sent = sent.map_err(|error| self.transport_failed(error))?;
            self.meters.dropped(up.take_dropped());
            if sent.is_pending() {
                self.unsent_up = Some(Box::new(std::mem::take(up)));
            }
        }
        Poll::Ready(Ok(goes_on))
    }

    /// Ready with the octets that may come from the client, once the transport has taken what came before.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(unsent) = &mut self.unsent_up {
            let sent = self.transport.poll_send(cx, unsent);
            self.meters.dropped(unsent.take_dropped());
            ready!(sent).map_err(|error| self.transport_failed(error))?;
            self.unsent_up = None;
        }
        self.is_held_back = true;
        let allowance = ready!(self.poll_meters(cx, Direction::Up))?;
        self.is_held_back = false;
        Poll::Ready(Ok(allowance))
    }

    /// Moves one batch to the client.
    fn poll_down(&mut self, cx: &mut Context<'_>, batches: &mut Batches) -> Poll<io::Result<()>> {
        let Batches {
            down, encapsulated, ..
        } = batches;
        let ready = self.client.poll_ready(cx, &mut self.meters);
        self.client_end(ready!(ready))?;
        down.clear();
        let allowance = ready!(self.poll_meters(cx, Direction::Down))?;
        let received = self.transport.poll_recv(cx, down);
        self.meters.dropped(down.take_dropped());
        ready!(received).map_err(|error| self.transport_failed(error))?;
        self.client.filter(down);
        if !down.is_empty() {
            let payloads = down.iter().map(|(_, payload)| payload.len() as u64);
            let bytes = self.admit(Direction::Down, allowance, payloads.sum(), down);
            self.traffic.down += bytes;
            self.count(Direction::Down, bytes, down.len());
            if let Some(destinations) = &self.destinations {
                destinations.received(down.iter());
            }
            let sent = self.client.send(cx, down, encapsulated);
            self.client_end(sent)?;
        }
        self.meters.dropped(down.take_dropped());
        Poll::Ready(Ok(()))
    }

    fn transport_failed(&self, error: io::Error) -> io::Error {
        RelayError::broken(RelayErrorKind::Transport, self.traffic, error)
    }

    fn client_end<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.map_err(|error| C::broken(error, self.traffic))
    }

    /// Ready while the meters allow something to move in a direction. What comes in the meantime waits
    /// in the system, which drops what is too much.
    fn poll_meters(
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

impl<D, C> Drop for DatagramRelay<D, C> {
    fn drop(&mut self) {
        dropped::leave(self.traffic);
    }
}
