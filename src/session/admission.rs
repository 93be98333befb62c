//! How connections are admitted by the limits of a server.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use super::{Accepted, Entry, SessionHolder, SessionLimit, SessionPlace, session_limit::Full};
use crate::admission::{HandshakeLimit, InHandshake};

/// The limits of a server on connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) handshakes: Option<HandshakeLimit>,
    pub(crate) sessions: Option<SessionLimit>,
}

impl Limits {
    /// Counts a connection for this client. `None` in place of an entry without a limit on sessions.
    ///
    /// # Errors
    ///
    /// Why it is to be closed.
    pub(crate) fn enter<Io>(
        &self,
        accepted: &mut Accepted<Io>,
        client: IpAddr,
    ) -> Result<Option<Entry>, Closed> {
        if let Some(limit) = &self.handshakes {
            let counted = limit.enter(client).ok_or(Closed::InHandshake)?;
            accepted.extensions.insert(counted);
        }
        let Some(limit) = &self.sessions else {
            return Ok(None);
        };
        let entry = limit.enter(client).map_err(|full| match full {
            Full::Client => Closed::Sessions,
            Full::All => Closed::Queue,
        })?;
        Ok(Some(entry))
    }
}

/// The limits by which a connection is admitted once its client is known: rides in the extensions of one that is
/// served before.
pub(crate) struct Deferred(Mutex<Option<Limits>>);

impl Deferred {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self(Mutex::new(Some(limits)))
    }

    /// Returns the limits, once.
    fn take(&self) -> Option<Limits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts a connection for the client that it turned out to be, or for nobody. What was counted for its peer is so no
/// longer. The place is to be held until the session ends.
///
/// Waits for a place where all are taken, as a connection does whose client is known from the beginning. That time is
/// not the client's.
///
/// # Errors
///
/// Why it is to be closed.
pub(crate) async fn admit<Io: Send>(
    accepted: &mut Accepted<Io>,
    client: Option<IpAddr>,
) -> Result<Option<SessionPlace>, Closed> {
    // Clients without an address are in no count but that of the whole.
    let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let deferred = accepted.extensions.get::<Deferred>();
    let Some(limits) = deferred.and_then(Deferred::take) else {
        let counted = accepted.extensions.get::<InHandshake>();
        if !counted.is_none_or(|counted| counted.recount(client)) {
            return Err(Closed::InHandshake);
        }
        let holder = accepted.extensions.get::<SessionHolder>();
        if !holder.is_none_or(|holder| holder.recount(client)) {
            return Err(Closed::Sessions);
        }
        return Ok(None);
    };
    let place = match limits.enter(accepted, client)? {
        None => return Ok(None),
        Some(Entry::Place(place)) => place,
        Some(Entry::Queued(queueing, limit)) => {
            let since = Instant::now();
            let place = queueing.place(limit).await.ok_or(Closed::Waited)?;
            accepted.waited(since.elapsed());
            place
        }
    };
    accepted.extensions.insert_shared(place.holder());
    Ok(Some(place))
}

/// Why a connection is closed before it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    InHandshake,
    Sessions,
    Queue,
    Waited,
}

impl Closed {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::InHandshake => "too many of its connections in the handshake",
            Self::Sessions => "too many sessions of its client",
            Self::Queue => "too many wait for a session to end",
            Self::Waited => "no session ended in time",
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
