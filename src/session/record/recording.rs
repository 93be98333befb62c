//! The record of a session, while it lives.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Counter, Destinations, End, EndKind, Forwarded, Record, SessionId, Sink};
use crate::{
    error::{FailedAttempt, SessionError, Step, find, reply_code},
    proto::{Address, Command, ReplyCode, UdpOverTcp},
    relay::{RelayError, Traffic},
    session::{Accepted, Dialled, Draining, Extensions, Identity, Protocol, Request, has_left},
};

/// Who gets the records of a session, from its beginning to its end.
pub(crate) type Sinks = Arc<[Arc<dyn Sink>]>;

/// Collects what is known of a session. It rides in the extensions of the connection, and clones share it.
#[derive(Clone)]
pub(crate) struct Recording(Arc<Inner>);

struct Inner {
    sinks: Sinks,
    unspoken: Arc<AtomicU64>,
    id: SessionId,
    listener: Option<Arc<str>>,
    client: SocketAddr,
    local: SocketAddr,
    accepted: (SystemTime, Instant),
    draining: Draining,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    protocol: Option<Protocol>,
    /// Requests until now.
    requests: u64,
    /// The request that has not ended.
    request: Option<Asked>,
}

/// A request.
struct Asked {
    began: Instant,
    identity: Identity,
    command: Command,
    udp_over_tcp: Option<UdpOverTcp>,
    target: Address,
    forwarded: Option<Forwarded>,
    /// What the services below fill in, once it is executed.
    executed: Option<Executed>,
}

#[derive(Default)]
struct Executed {
    dialled: Dialled,
    destinations: Option<Destinations>,
    counter: Option<Counter>,
    bound: Option<Address>,
    reply_code: Option<ReplyCode>,
    dial: Option<Duration>,
    /// How the tunnel ended, if its session says no more.
    tunnel: Option<EndKind>,
}

impl Recording {
    pub(crate) fn begin<Io>(
        sinks: Sinks,
        unspoken: Arc<AtomicU64>,
        id: SessionId,
        listener: Option<Arc<str>>,
        accepted: &Accepted<Io>,
    ) -> Self {
        Self(Arc::new(Inner {
            sinks,
            unspoken,
            id,
            listener,
            client: accepted.peer,
            local: accepted.local,
            accepted: (SystemTime::now(), Instant::now()),
            draining: accepted.draining(),
            state: Mutex::default(),
        }))
    }

    /// Returns that of a connection, if it has one.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    pub(crate) fn id(&self) -> SessionId {
        self.0.id
    }

    pub(crate) fn sinks(&self) -> &[Arc<dyn Sink>] {
        &self.0.sinks
    }

    /// The protocol of the client, once it is known.
    #[cfg(feature = "http-auth")]
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.0.lock().protocol
    }

    /// The name of the listener.
    #[cfg(feature = "http-auth")]
    pub(crate) fn listener(&self) -> Option<&str> {
        self.0.listener.as_deref()
    }

    /// Who has made the request; anonymous where there is none.
    pub(crate) fn identity(&self) -> Identity {
        let state = self.0.lock();
        let asked = state.request.as_ref();
        asked
            .map(|asked| asked.identity.clone())
            .unwrap_or_default()
    }

    /// Notes the protocol of the client.
    pub(crate) fn speaks(&self, protocol: Protocol) {
        self.0.lock().protocol = Some(protocol);
    }

    /// Notes what the client asks for.
    pub(crate) fn asks(&self, request: &Request) {
        let mut state = self.0.lock();
        state.protocol = Some(request.protocol);
        state.requests += 1;
        state.request = Some(Asked {
            began: Instant::now(),
            identity: request.identity.clone(),
            command: request.command,
            udp_over_tcp: request.extensions.get().copied(),
            target: request.target.clone(),
            forwarded: None,
            executed: None,
        });
    }

    /// Notes that the client asks for a request to be forwarded.
    #[cfg(feature = "http-server")]
    pub(crate) fn forwards(&self, method: &str, path: &str) {
        /// Characters of a path.
        const MOST: usize = 4096;
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        if let Some(asked) = &mut self.0.lock().request {
            asked.forwarded = Some(Forwarded {
                method: method.into(),
                path: path.chars().take(MOST).collect::<String>().into(),
                status: None,
            });
        }
    }

    /// Notes the status of the response to what was forwarded.
    #[cfg(feature = "http-server")]
    pub(crate) fn responded(&self, status: u16) {
        if let Some(asked) = &mut self.0.lock().request
            && let Some(forwarded) = &mut asked.forwarded
        {
            forwarded.status = Some(status);
        }
    }

    /// Has the services below fill in what they do for a request.
    pub(crate) fn executes(&self, request: &mut Request) {
        let executed = Executed {
            dialled: request.dialled(),
            destinations: (request.command == Command::UDP_ASSOCIATE)
                .then(|| request.destinations()),
            ..Executed::default()
        };
        let is_asked = matches!(&self.0.lock().request, Some(asked) if asked.executed.is_none());
        if !is_asked {
            self.asks(request);
        }
        if let Some(asked) = &mut self.0.lock().request {
            asked.command = request.command;
            asked.udp_over_tcp = request.extensions.get().copied();
            asked.executed = Some(executed);
        }
    }

    /// Notes that a request has led to a tunnel, and tells the sinks.
    pub(crate) fn opened(&self, bound: Address) {
        let mut state = self.0.lock();
        if let Some(asked) = &mut state.request
            && let Some(executed) = &mut asked.executed
        {
            executed.bound = Some(bound);
            executed.dial = Some(asked.began.elapsed());
            executed.reply_code = Some(ReplyCode::SUCCEEDED);
            let record = self.0.record(&state, None);
            drop(state);
            for sink in self.sinks() {
                sink.started(&record);
            }
        }
    }

    /// Notes that a request has led to an error.
    pub(crate) fn failed(&self, code: ReplyCode) {
        if let Some(asked) = &mut self.0.lock().request
            && let Some(executed) = &mut asked.executed
        {
            executed.dial = Some(asked.began.elapsed());
            executed.reply_code = Some(code);
        }
    }

    /// Returns what counts for the tunnel of the request.
    pub(crate) fn counter(&self) -> Counter {
        let counter = Counter::default();
        if let Some(asked) = &mut self.0.lock().request
            && let Some(executed) = &mut asked.executed
        {
            executed.counter = Some(counter.clone());
        }
        counter
    }

    /// Notes how the tunnel has ended by itself. Where the session says nothing of it, that is how the request ended.
    pub(crate) fn tunnel_ended(&self, kind: EndKind) {
        if let Some(asked) = &mut self.0.lock().request
            && let Some(executed) = &mut asked.executed
        {
            executed.tunnel = Some(kind);
        }
    }

    /// Tells one of the sinks how far a tunnel is.
    pub(crate) fn interim(&self, sink: &dyn Sink) {
        let state = self.0.lock();
        if state.request.is_none() {
            return;
        }
        let record = self.0.record(&state, None);
        drop(state);
        sink.interim(&record);
    }

    /// Tells the sinks of an attempt to log in that failed, on a connection that goes on.
    #[cfg_attr(not(feature = "http-server"), expect(dead_code, reason = "of HTTP"))]
    pub(crate) fn login_failed(&self, error: &SessionError, began: Instant) {
        let mut record = self.0.record(&State::default(), Some(End::of(error)));
        record.protocol = self.0.lock().protocol;
        record.tried = tried(error);
        record.started = self.0.clock(began);
        record.duration = began.elapsed();
        self.0.tell(&record);
    }

    /// Tells the sinks how the session or its request has ended.
    pub(crate) fn ended(&self, outcome: Result<&Traffic, &SessionError>) {
        let mut state = self.0.lock();
        let end = match (outcome, &state.request) {
            // Each request has told its own.
            (Ok(_), None) => {
                if state.requests == 0 {
                    self.0.unspoken.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            (Err(error), None) if is_silent(error) => {
                if state.requests == 0 {
                    self.0.unspoken.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            (Ok(_), Some(_)) => End::without_error(EndKind::Done),
            (Err(error), _) => End::of(error),
        };
        let mut record = self.0.record(&state, Some(end));
        let is_counted = state.request.as_ref().is_some_and(Asked::is_counted);
        state.request = None;
        drop(state);
        match outcome {
            Ok(traffic) if !is_counted => record.traffic = *traffic,
            Ok(_) => {}
            Err(error) => {
                if let Some(relayed) = find::<RelayError>(error).filter(|_| !is_counted) {
                    record.traffic = relayed.traffic();
                }
                if record.request > 0 && error.step() == Step::Dial && record.reply_code.is_none() {
                    record.reply_code = Some(reply_code(error));
                }
                record.tried = tried(error);
            }
        }
        self.0.tell(&record);
    }

    /// Tells the sinks that the session or its request has been dropped. Where nothing was asked, there is nothing to
    /// tell.
    pub(crate) fn dropped(&self, traffic: Option<Traffic>) {
        self.0.dropped(traffic);
    }
}

impl Asked {
    fn is_counted(&self) -> bool {
        let executed = self.executed.as_ref();
        executed.is_some_and(|executed| executed.counter.is_some())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By the clock of the machine as it was when the connection was accepted: it may be set meanwhile.
    fn clock(&self, at: Instant) -> SystemTime {
        let (accepted, instant) = self.accepted;
        accepted + at.saturating_duration_since(instant)
    }

    fn record(&self, state: &State, end: Option<End>) -> Record {
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

    fn tell(&self, record: &Record) {
        for sink in &*self.sinks {
            sink.ended(record);
        }
    }

    fn dropped(&self, traffic: Option<Traffic>) {
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
impl Drop for Inner {
    fn drop(&mut self) {
        self.dropped(None);
    }
}

/// Whether a client left, or said nothing within its deadline, before it had asked for anything.
fn is_silent(error: &SessionError) -> bool {
    let is_slow =
        error.step() == Step::Greeting && find::<tokio::time::error::Elapsed>(error).is_some();
    is_slow || has_left(error)
}

fn tried(error: &SessionError) -> Option<Box<[u8]>> {
    find::<FailedAttempt>(error).map(|attempt| attempt.name().into())
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
}
