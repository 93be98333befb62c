//! Connections that were accepted, and wait for the place of a session.

use std::future::pending;

use tokio::task::JoinSet;

use crate::{
    admission::HandshakeLimit,
    session::{Accepted, Entry, Full, SessionLimit, SessionPlace},
};

/// The limits of a server on connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    pub(super) handshakes: Option<HandshakeLimit>,
    pub(super) sessions: Option<SessionLimit>,
}

/// Admits connections by the limits of a server.
pub(super) struct Admissions<Io> {
    limits: Limits,
    /// Those that wait for a place, in the order of the limit; `None` is one that did not get it in time.
    queue: JoinSet<Option<Arrival<Io>>>,
}

/// A connection that is admitted.
pub(super) struct Arrival<Io> {
    pub(super) accepted: Accepted<Io>,
    /// Held for as long as its session is live.
    pub(super) place: Option<SessionPlace>,
}

impl<Io> Arrival<Io> {
    fn new(mut accepted: Accepted<Io>, place: SessionPlace) -> Self {
        accepted.extensions.insert(place.holder());
        Self {
            accepted,
            place: Some(place),
        }
    }
}

impl<Io: Send + 'static> Admissions<Io> {
    pub(super) fn new(limits: Limits) -> Self {
        if let Some(limit) = &limits.sessions {
            limit.announce();
        }
        Self {
            limits,
            queue: JoinSet::new(),
        }
    }

    /// Admits a connection, has it wait, or closes it.
    pub(super) fn admit(&mut self, mut accepted: Accepted<Io>) -> Option<Arrival<Io>> {
        let peer = accepted.peer;
        if let Some(limit) = &self.limits.handshakes {
            let Some(counted) = limit.enter(peer.ip()) else {
                tracing::debug!(%peer, "closed: too many of its connections in the handshake");
                return None;
            };
            accepted.extensions.insert(counted);
        }
        let Some(limit) = &self.limits.sessions else {
            return Some(Arrival {
                accepted,
                place: None,
            });
        };
        match limit.enter(peer.ip()) {
            Ok(Entry::Place(place)) => return Some(Arrival::new(accepted, place)),
            Ok(Entry::Queued(queueing, limit)) => {
                let place = queueing.place(limit);
                self.queue.spawn(async move {
                    let place = place.await;
                    if place.is_none() {
                        tracing::debug!(%peer, "closed: no session ended in time");
                    }
                    Some(Arrival::new(accepted, place?))
                });
            }
            Err(Full::Client) => tracing::debug!(%peer, "closed: too many sessions of its client"),
            Err(Full::All) => tracing::debug!(%peer, "closed: too many wait for a session to end"),
        }
        None
    }

    /// Whether a connection waits for a place.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Waits until one of those that wait has a place.
    ///
    /// # Cancel safety
    ///
    /// None of them is lost.
    pub(super) async fn next(&mut self) -> Arrival<Io> {
        while let Some(waited) = self.queue.join_next().await {
            if let Ok(Some(arrival)) = waited {
                return arrival;
            }
        }
        pending().await
    }
}
