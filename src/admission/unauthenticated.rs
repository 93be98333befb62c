//! Unauthenticated connections, counted by client address.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Count, Counts, LimitEvents, client_network};

/// Bounds the unauthenticated connections of each client network. Clones share the counts.
#[derive(Clone)]
pub(crate) struct UnauthenticatedLimit {
    most: usize,
    counts: Counts<IpAddr>,
    events: Arc<LimitEvents<IpAddr>>,
}

impl UnauthenticatedLimit {
    /// Allows so many for each network.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            counts: Counts::default(),
            events: Arc::new(LimitEvents::new("unauthenticated")),
        }
    }

    /// Counts one more connection, unless its client has too many. A client without an address is
    /// not counted.
    pub(crate) fn enter(&self, client: IpAddr) -> Option<Unauthenticated> {
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
        Some(Unauthenticated {
            count: Mutex::new(count),
            events: Arc::clone(&self.events),
        })
    }
}

/// A connection that counts as unauthenticated, until its client has authenticated or it is closed.
/// Rides in the extensions of its connection.
pub(crate) struct Unauthenticated {
    count: Mutex<Option<Count<IpAddr>>>,
    events: Arc<LimitEvents<IpAddr>>,
}

impl Unauthenticated {
    /// Counts the connection no longer: its client has authenticated.
    pub(crate) fn authenticated(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = count.take() {
            let client = *count.key();
            drop(count);
            self.events.left(&client);
        }
    }
}

impl Drop for Unauthenticated {
    fn drop(&mut self) {
        self.authenticated();
    }
}

impl fmt::Debug for UnauthenticatedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnauthenticatedLimit(at most {})", self.most)
    }
}
