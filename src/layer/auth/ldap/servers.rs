//! The servers of a directory: which of them is asked, and their idle connections.

use std::{
    slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

use super::{
    super::availability::Availability,
    connection::{Connection, Times},
    error::{Failure, LdapError},
    url::Url,
};
use crate::error::{AuthError, BoxError};

/// How long an idle connection is kept: less than what servers and firewalls do.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Servers {
    pub(super) all: Vec<Server>,
    tls: Option<Arc<ClientConfig>>,
    times: Times,
    /// Idle connections of each kind and server.
    most: usize,
}

pub(super) struct Server {
    pub(super) url: Url,
    state: Mutex<State>,
    availability: Availability,
}

#[derive(Default)]
struct State {
    searching: Vec<Connection>,
    binding: Vec<Connection>,
}

/// What a connection is for. One that has bound as a user is nobody's to search with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Searching,
    Binding,
}

impl State {
    const fn idle(&mut self, kind: Kind) -> &mut Vec<Connection> {
        match kind {
            Kind::Searching => &mut self.searching,
            Kind::Binding => &mut self.binding,
        }
    }
}

impl Servers {
    pub(super) fn new(
        urls: Vec<Url>,
        tls: Option<Arc<ClientConfig>>,
        times: Times,
        most: usize,
    ) -> Self {
        let all = urls.into_iter().map(|url| Server {
            availability: Availability::new(format!("LDAP server {url}")),
            url,
            state: Mutex::default(),
        });
        Self {
            all: all.collect(),
            tls,
            times,
            most,
        }
    }

    /// Asks one after the other.
    pub(super) fn round(&self) -> Round<'_> {
        Round {
            rest: self.all.iter(),
            last: None,
        }
    }

    /// A new connection.
    pub(super) async fn open(&self, server: &Server) -> Result<Connection, Failure> {
        Connection::open(&server.url, self.tls.as_ref(), self.times).await
    }

    /// An idle connection, if there is one.
    pub(super) fn idle(&self, server: &Server, kind: Kind) -> Option<Connection> {
        let mut state = server.state();
        let connection = state.idle(kind).pop();
        // The oldest are at the bottom: where this one is too old, all are.
        let connection = connection.filter(|one| one.idle_since.elapsed() < IDLE);
        let old = match connection {
            Some(_) => Vec::new(),
            None => std::mem::take(state.idle(kind)),
        };
        drop(state);
        drop(old);
        connection
    }

    /// Keeps a connection whose last answer was complete.
    pub(super) fn keep(&self, server: &Server, kind: Kind, mut connection: Connection) {
        connection.idle_since = Instant::now();
        let mut state = server.state();
        let idle = state.idle(kind);
        if idle.len() < self.most {
            idle.push(connection);
        }
    }
}

/// A question that goes from server to server until one answers.
pub(super) struct Round<'a> {
    rest: slice::Iter<'a, Server>,
    last: Option<LdapError>,
}

impl<'a> Round<'a> {
    /// The next that is not left alone.
    pub(super) fn next(&mut self) -> Option<&'a Server> {
        loop {
            let server = self.rest.next()?;
            if server.availability.may_be_asked() {
                return Some(server);
            }
            let away = || LdapError::new(&server.url, Failure::Away);
            self.last.get_or_insert_with(away);
        }
    }

    /// Takes an answer, or notes what went wrong. What an operator has to mend no other server is asked about.
    pub(super) fn judge<T>(&mut self, server: &Server, asked: Result<T, Failure>) -> Option<T> {
        let failure = match asked {
            Ok(answer) => {
                server.availability.answered();
                return Some(answer);
            }
            Err(failure) => failure,
        };
        if failure.is_away() {
            server.failed(&failure);
        } else {
            server.availability.answered();
            self.rest = [].iter();
        }
        self.last = Some(LdapError::new(&server.url, failure));
        None
    }

    /// Nobody could tell.
    pub(super) fn failed(self) -> BoxError {
        let error = self
            .last
            .map_or_else(|| "there is no LDAP server".into(), BoxError::from);
        AuthError::Verifier(error).into()
    }
}

impl Server {
    /// It has failed: its idle connections go as well.
    fn failed(&self, failure: &Failure) {
        let mut state = self.state();
        let idle = (
            std::mem::take(&mut state.searching),
            std::mem::take(&mut state.binding),
        );
        drop(state);
        drop(idle);
        self.availability.failed(&failure.told());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
