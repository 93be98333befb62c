//! The registry's entry of an open tunnel.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Context,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::{
    io::{Direction, Meter},
    proto::{Address, Command, UdpOverTcp},
    relay::Traffic,
    session::{Dialled, Identity, Protocol, Request, record::Destinations},
};

/// Describes an open tunnel at the moment of the call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenTunnel {
    /// The number of the tunnel in this list, which is never used again.
    pub id: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// The client's identity.
    pub identity: Identity,
    /// The protocol in which it was asked for.
    pub protocol: Protocol,
    /// The command of its request.
    pub command: Command,
    /// The protocol that carries its datagrams in the client's stream, where it is such an association.
    pub udp_over_tcp: Option<UdpOverTcp>,
    /// The target of its request, as stated.
    pub target: Address,
    /// The address that was dialled, if the connector has [recorded](Request::reached) it.
    pub reached: Option<SocketAddr>,
    /// The upstream through which it goes, where a layer has [named](Request::routed) one.
    pub upstream: Option<Arc<str>>,
    /// Where the datagrams of an association go.
    pub destinations: Option<Destinations>,
    /// When it was opened, by this machine's clock.
    pub since: SystemTime,
    /// For how long it has been open.
    pub age: Duration,
    /// The payload that it has moved so far, in octets.
    pub traffic: Traffic,
}

/// Why a tunnel is closed from the registry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Closing {
    /// Somebody has asked for it.
    Asked,
    /// It was idle for so long in a drain.
    Drained(Duration),
}

/// [`Closing`] in one number.
const ASKED: u64 = 1;
const DRAINED: u64 = 2;

/// Holds what is told of an open tunnel, and its traffic.
pub(super) struct Entry {
    pub(super) id: u64,
    /// Its extensions have what services below fill in.
    request: Arc<Request>,
    /// Nanoseconds since 1970.
    since: u64,
    started: Instant,
    up: AtomicU64,
    down: AtomicU64,
    /// Why it is to be closed: 0 while it is not, 1 where somebody has asked, and else microseconds of a limit, and 2.
    closed: AtomicU64,
    task: AtomicWaker,
}

impl Entry {
    pub(super) fn new(id: u64, request: Arc<Request>) -> Self {
        Self {
            id,
            request,
            since: nanoseconds(SystemTime::now()),
            started: Instant::now(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            task: AtomicWaker::new(),
        }
    }

    /// Has it closed. The first reason counts.
    pub(super) fn close(&self, closing: Closing) {
        let code = match closing {
            Closing::Asked => ASKED,
            Closing::Drained(limit) => u64::try_from(limit.as_micros())
                .map_or(u64::MAX, |limit| limit.saturating_add(DRAINED)),
        };
        // Relaxed: nothing else is said by it, and waking the task orders it.
        _ = (self.closed).compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
        self.task.wake();
    }

    /// Returns why it is to be closed, if it is, and registers the task to be woken when it is.
    pub(super) fn closing(&self, cx: &mut Context<'_>) -> Option<Closing> {
        self.task.register(cx.waker());
        match self.closed.load(Ordering::Relaxed) {
            0 => None,
            ASKED => Some(Closing::Asked),
            limit => Some(Closing::Drained(Duration::from_micros(limit - DRAINED))),
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
        }
    }

    /// Copies it as it is now.
    pub(super) fn snapshot(&self) -> OpenTunnel {
        let request = &*self.request;
        let dialled = Dialled::of(&request.extensions);
        let dialled = dialled.as_ref();
        OpenTunnel {
            id: self.id,
            client: request.peer,
            identity: request.identity.clone(),
            protocol: request.protocol,
            command: request.command,
            udp_over_tcp: request.extensions.get().copied(),
            target: request.target.clone(),
            reached: dialled.and_then(Dialled::get),
            upstream: dialled.and_then(Dialled::upstream),
            destinations: request.extensions.get().cloned(),
            since: UNIX_EPOCH + Duration::from_nanos(self.since),
            age: self.started.elapsed(),
            traffic: self.traffic(),
        }
    }
}

/// 8 octets in place of 16, for some centuries.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Counts the traffic of an open tunnel.
pub(super) struct Counter(pub(super) Arc<Entry>);

impl Meter for Counter {
    fn moved(&mut self, direction: Direction, bytes: usize) {
        let count = match direction {
            Direction::Up => &self.0.up,
            Direction::Down => &self.0.down,
        };
        count.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
