//! The facts of a session until it ends, and the record that they make.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Counter, Destinations, End, EndKind, Forwarded, Record, SessionId, Sink};
use crate::{
    proto::{Address, Command, ReplyCode, UdpOverTcp},
    relay::Traffic,
    session::{Dialled, Draining, Identity, Protocol},
};

/// Who gets the records of a session, from its beginning to its end.
pub(crate) type Sinks = Arc<[Arc<dyn Sink>]>;

/// What is known of a session until it ends.
pub(super) struct Facts {
    pub(super) sinks: Sinks,
    pub(super) unspoken: Arc<AtomicU64>,
    pub(super) id: SessionId,
    pub(super) listener: Option<Arc<str>>,
    pub(super) client: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) accepted: (SystemTime, Instant),
    pub(super) draining: Draining,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) protocol: Option<Protocol>,
    /// Requests until now.
    pub(super) requests: u64,
    /// The request that has not ended.
    pub(super) request: Option<Asked>,
}

/// A request.
pub(super) struct Asked {
    pub(super) began: Instant,
    pub(super) identity: Identity,
    pub(super) command: Command,
    pub(super) udp_over_tcp: Option<UdpOverTcp>,
    pub(super) target: Address,
    pub(super) forwarded: Option<Forwarded>,
    /// What the services below fill in, once it is executed.
    pub(super) executed: Option<Executed>,
}

#[derive(Default)]
pub(super) struct Executed {
    pub(super) dialled: Dialled,
    pub(super) destinations: Option<Destinations>,
    pub(super) counter: Option<Counter>,
    pub(super) bound: Option<Address>,
    pub(super) reply_code: Option<ReplyCode>,
    pub(super) dial: Option<Duration>,
    /// How the tunnel ended, if its session says no more.
    pub(super) tunnel: Option<EndKind>,
}

impl Asked {
    pub(super) fn is_counted(&self) -> bool {
        let executed = self.executed.as_ref();
        executed.is_some_and(|executed| executed.counter.is_some())
    }
}

impl Facts {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By the clock of the machine as it was when the connection was accepted: it may be set meanwhile.
    pub(super) fn clock(&self, at: Instant) -> SystemTime {
        let (accepted, instant) = self.accepted;
        accepted + at.saturating_duration_since(instant)
    }

    pub(super) fn record(&self, state: &State, end: Option<End>) -> Record {
        let asked = state.request.as_ref();
        let executed = asked.and_then(|asked| asked.executed.as_ref());
        let counter = executed.and_then(|executed| executed.counter.as_ref());
        let began = asked.map_or(self.accepted.1, |asked| asked.began);
        Record {
            session: self.id,
            request: asked.map_or(0, |_| state.requests),
            accepted: self.accepted.0,
            started: self.clock(began),
            protocol: state.protocol,
            listener: self.listener.clone(),
            client: self.client,
            local: self.local,
            identity: asked
                .map(|asked| asked.identity.clone())
                .unwrap_or_default(),
            tried: None,
            command: asked.map(|asked| asked.command),
            udp_over_tcp: asked.and_then(|asked| asked.udp_over_tcp),
            target: asked.map(|asked| asked.target.clone()),
            forwarded: asked.and_then(|asked| asked.forwarded.clone()),
            dialled: executed.and_then(|executed| executed.dialled.get()),
            upstream: executed.and_then(|executed| executed.dialled.upstream()),
            bound: executed.and_then(|executed| executed.bound.clone()),
            reply_code: executed.and_then(|executed| executed.reply_code),
            dial: executed.and_then(|executed| executed.dial),
            traffic: counter.map(Counter::traffic).unwrap_or_default(),
            datagrams: counter.map(Counter::datagrams).unwrap_or_default(),
            datagrams_dropped: counter.map_or(0, Counter::dropped),
            destinations: executed.and_then(|executed| executed.destinations.clone()),
            duration: began.elapsed(),
            end,
        }
    }

    pub(super) fn tell(&self, record: &Record) {
        for sink in &*self.sinks {
            sink.ended(record);
        }
    }

    pub(super) fn dropped(&self, traffic: Option<Traffic>) {
        let mut state = self.lock();
        let Some(asked) = &state.request else {
            return;
        };
        let ended = asked.executed.as_ref().and_then(|executed| executed.tunnel);
        let kind = match ended {
            Some(kind) => kind,
            None if std::thread::panicking() => EndKind::Panicked,
            None if self.draining.is_begun() => EndKind::Drained,
            None => EndKind::Dropped,
        };
        let is_counted = asked.is_counted();
        let mut record = self.record(&state, Some(End::without_error(kind)));
        state.request = None;
        drop(state);
        if let Some(traffic) = traffic.filter(|_| !is_counted) {
            record.traffic = traffic;
        }
        self.tell(&record);
    }
}

/// What was asked and never ended, since a layer of somebody else's reads the requests.
impl Drop for Facts {
    fn drop(&mut self) {
        self.dropped(None);
    }
}
