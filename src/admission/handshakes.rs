//! Connections in the handshake, counted by client network.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Count, Counts, LimitEvents, client_network};

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
pub struct HandshakeLimit {
    most: usize,
    counts: Counts<IpAddr>,
    events: Arc<LimitEvents<IpAddr>>,
}

impl HandshakeLimit {
    /// Allows so many for each client. 0 would let nobody in, and is taken for 1.
    #[must_use]
    pub fn per_client(most: usize) -> Self {
        Self {
            most: most.max(1),
            counts: Counts::default(),
            events: Arc::new(LimitEvents::new("unauthenticated")),
        }
    }

    /// Counts one more connection, unless its client has too many.
    pub(crate) fn enter(&self, client: IpAddr) -> Option<InHandshake> {
        let count = match client_network(client) {
            None => None,
            Some(client) => {
                let count = self.counts.enter_below(client, self.most);
                if count.is_none() {
                    self.events.reached(&client);
                    return None;
                }
                count
            }
        };
        Some(InHandshake {
            count: Mutex::new(count),
            events: Arc::clone(&self.events),
        })
    }
}

impl fmt::Debug for HandshakeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeLimit")
            .field("per_client", &self.most)
            .field("clients", &self.counts.keys())
            .finish()
    }
}

/// A connection that counts as in the handshake, until its request is read or it is closed. Rides in
/// the extensions of its connection.
pub(crate) struct InHandshake {
    count: Mutex<Option<Count<IpAddr>>>,
    events: Arc<LimitEvents<IpAddr>>,
}

impl InHandshake {
    /// Counts the connection no longer: its request is read.
    pub(crate) fn request_read(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = count.take() {
            let client = *count.key();
            drop(count);
            self.events.left(&client);
        }
    }
}

impl Drop for InHandshake {
    fn drop(&mut self) {
        self.request_read();
    }
}
