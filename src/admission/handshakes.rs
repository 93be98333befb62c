//! Connections in the handshake, counted by client network.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Count, Counts, Fullness, LimitEvents, client_network};

/// Bounds the connections of each client that are in the handshake: accepted, with a request that has
/// not been read yet. Clones share the counts.
///
/// Whether its client has authenticated makes no difference: one that logs in and asks for nothing holds
/// its place until the [deadline](crate::HandshakeLayer::deadline). A client is an IPv4 address, or an
/// IPv6 /64, all of which one host can have. Clients without an address, on a Unix socket, are not counted.
///
/// Several listeners share one count by a clone each. See
/// [`Serve::handshakes`](crate::server::Serve::handshakes) for an example.
#[derive(Clone)]
pub struct HandshakeLimit(Arc<Shared>);

struct Shared {
    most: AtomicUsize,
    counts: Counts<IpAddr>,
    events: LimitEvents<IpAddr>,
}

impl HandshakeLimit {
    /// Allows so many for each client. 0 would let nobody in, and is taken for 1.
    #[must_use]
    pub fn per_client(most: usize) -> Self {
        Self(Arc::new(Shared {
            most: most.max(1).into(),
            counts: Counts::default(),
            events: LimitEvents::new("unauthenticated"),
        }))
    }

    /// Sets how many each client may have, of all clones. 0 is taken for 1. Those that are there stay.
    pub fn set_per_client(&self, most: usize) {
        self.0.most.store(most.max(1), Ordering::Relaxed);
    }

    /// Returns how many each client may have.
    #[must_use]
    pub fn most_per_client(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    /// Returns the `most` client networks that have the largest share of theirs, the fullest first. Looks at all that have
    /// any.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<IpAddr>> {
        self.0.counts.fullest(most)
    }

    /// Counts one more connection, unless its client has too many.
    pub(crate) fn enter(&self, client: IpAddr) -> Option<InHandshake> {
        Some(InHandshake {
            count: Mutex::new(self.0.count(client)?),
            shared: Arc::clone(&self.0),
        })
    }
}

impl Shared {
    /// Counts one more of this client; nothing for one without an address. `None` if there are too many.
    fn count(&self, client: IpAddr) -> Option<Option<Count<IpAddr>>> {
        let Some(client) = client_network(client) else {
            return Some(None);
        };
        let count = self
            .counts
            .enter_below(client, self.most.load(Ordering::Relaxed));
        if count.is_none() {
            self.events.reached(&client);
        }
        count.map(Some)
    }

    fn leave(&self, count: Option<Count<IpAddr>>) {
        if let Some(count) = count {
            let client = *count.key();
            drop(count);
            self.events.left(&client);
        }
    }
}

impl fmt::Debug for HandshakeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeLimit")
            .field("per_client", &self.most_per_client())
            .field("clients", &self.0.counts.keys())
            .finish()
    }
}

/// A connection that counts as in the handshake, until its request is read or it is closed. Rides in
/// the extensions of its connection.
pub(crate) struct InHandshake {
    count: Mutex<Option<Count<IpAddr>>>,
    shared: Arc<Shared>,
}

impl InHandshake {
    /// Counts the connection no longer: its request is read.
    pub(crate) fn request_read(&self) {
        let count = self.lock().take();
        self.shared.leave(count);
    }

    /// Counts the connection for another client than that of before: the one that it turned out to be. `false`
    /// if that one has too many.
    pub(crate) fn recount(&self, client: IpAddr) -> bool {
        let mut count = self.lock();
        if count.as_ref().map(|count| *count.key()) == client_network(client) {
            return true;
        }
        let Some(other) = self.shared.count(client) else {
            return false;
        };
        let before = std::mem::replace(&mut *count, other);
        drop(count);
        self.shared.leave(before);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Count<IpAddr>>> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHandshake {
    fn drop(&mut self) {
        self.request_read();
    }
}
