//! The record of a session, while it lives.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::time::Instant;

use super::{
    Counter, End, EndKind, SessionId, Sink,
    facts::{Asked, Executed, Facts, Sinks, State},
};
use crate::{
    error::{FailedAttempt, SessionError, Step, find, reply_code},
    proto::{Address, Command, ReplyCode},
    relay::{RelayError, Traffic},
    session::{Accepted, Extensions, Identity, Protocol, Request, has_left},
};

/// Collects what is known of a session. It rides in the extensions of the connection, and clones share it.
#[derive(Clone)]
pub(crate) struct Recording(Arc<Facts>);

impl Recording {
    pub(crate) fn begin<Io>(
        sinks: Sinks,
        unspoken: Arc<AtomicU64>,
        id: SessionId,
        listener: Option<Arc<str>>,
        accepted: &Accepted<Io>,
    ) -> Self {
        Self(Arc::new(Facts {
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
            asked.forwarded = Some(super::Forwarded {
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
            if !self.sinks().iter().any(|sink| sink.hears_of_starts()) {
                return;
            }
            let record = self.0.record(&state, None);
            drop(state);
            for sink in self.sinks().iter().filter(|sink| sink.hears_of_starts()) {
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
