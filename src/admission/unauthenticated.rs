//! Clients that have come and have not said who they are.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::AtLimit;

/// How many of them each client address has. Clones share the count.
#[derive(Clone)]
pub(crate) struct Arrivals {
    most: usize,
    here: Arc<Mutex<HashMap<IpAddr, usize>>>,
    at_limit: Arc<AtLimit<IpAddr>>,
}

impl Arrivals {
    /// So many at most for each address.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            here: Arc::default(),
            at_limit: Arc::new(AtLimit::new("unauthenticated")),
        }
    }

    /// One more, unless there are too many. A client without an address is not counted.
    pub(crate) fn enter(&self, client: IpAddr) -> Option<Arrival> {
        let client = client.to_canonical();
        if !client.is_unspecified() {
            let mut here = lock(&self.here);
            let count = here.entry(client).or_default();
            if *count >= self.most {
                drop(here);
                self.at_limit.reached(&client);
                return None;
            }
            *count += 1;
        }
        Some(Arrival {
            arrivals: self.clone(),
            client,
            waits: AtomicBool::new(!client.is_unspecified()),
        })
    }
}

/// A client that has not said who it is, until it has or is gone. Rides in the extensions of its
/// connection.
pub(crate) struct Arrival {
    arrivals: Arrivals,
    client: IpAddr,
    waits: AtomicBool,
}

impl Arrival {
    /// It has authenticated.
    pub(crate) fn admitted(&self) {
        if self.waits.swap(false, Ordering::Relaxed) {
            let mut here = lock(&self.arrivals.here);
            if let Some(count) = here.get_mut(&self.client) {
                *count -= 1;
                if *count == 0 {
                    here.remove(&self.client);
                }
            }
            drop(here);
            self.arrivals.at_limit.left(&self.client);
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.admitted();
    }
}

fn lock(here: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    here.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrivals(at most {})", self.most)
    }
}
