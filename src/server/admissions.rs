//! Connections that were accepted, and wait for the place of a session.

use std::future::pending;

use tokio::task::JoinSet;

use crate::session::{Accepted, Closed, Deferred, Entry, Limits, Senders, SessionPlace};

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
        accepted.extensions.insert_shared(place.holder());
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

    /// Admits a connection, has it wait, or closes it. One from a sender is served as it is: the layer that reads
    /// its header admits it by the same limits, once its client is known.
    pub(super) fn admit(
        &mut self,
        mut accepted: Accepted<Io>,
        senders: Option<&Senders>,
    ) -> Option<Arrival<Io>> {
        let peer = accepted.peer;
        if senders.is_some_and(|senders| senders.position(peer).is_some()) {
            let deferred = Deferred::new(self.limits.clone());
            accepted.extensions.insert(deferred);
            return Some(Arrival {
                accepted,
                place: None,
            });
        }
        match self.limits.enter(&mut accepted, peer.ip()) {
            Ok(None) => {
                return Some(Arrival {
                    accepted,
                    place: None,
                });
            }
            Ok(Some(Entry::Place(place))) => return Some(Arrival::new(accepted, place)),
            Ok(Some(Entry::Queued(queueing, limit))) => {
                let place = queueing.place(limit);
                self.queue.spawn(async move {
                    let place = place.await;
                    if place.is_none() {
                        tracing::debug!(%peer, "closed: {}", Closed::Waited);
                    }
                    Some(Arrival::new(accepted, place?))
                });
            }
            Err(closed) => tracing::debug!(%peer, "closed: {closed}"),
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
        match self.last().await {
            Some(arrival) => arrival,
            None => pending().await,
        }
    }

    /// The same where nobody comes any more: `None` once none of them waits.
    pub(super) async fn last(&mut self) -> Option<Arrival<Io>> {
        while let Some(waited) = self.queue.join_next().await {
            if let Ok(Some(arrival)) = waited {
                return Some(arrival);
            }
        }
        None
    }
}
