use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::entry::{Closing, Entry, OpenTunnel};
use crate::{relay::Traffic, session::Request};

/// Lists and closes the open tunnels of a proxy. See the [module](super).
///
/// Clones share the list.
#[derive(Clone, Default)]
pub struct OpenTunnels {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    next: u64,
    open: BTreeMap<u64, Arc<Entry>>,
    /// The traffic of the tunnels that have ended.
    ended: Traffic,
}

/// Sums up all tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Tunnels that are open.
    pub open: usize,
    /// Tunnels that were ever opened.
    pub opened: u64,
    /// The payload that open tunnels and those that have ended have moved, in octets.
    pub traffic: Traffic,
}

impl OpenTunnels {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all open tunnels, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<OpenTunnel> {
        self.entries()
            .iter()
            .map(|entry| entry.snapshot())
            .collect()
    }

    /// Returns the sums over all tunnels.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let shared = self.lock();
        let traffic = shared.open.values().map(|entry| entry.traffic());
        Totals {
            open: shared.open.len(),
            opened: shared.next,
            traffic: traffic.fold(shared.ended, |all, one| all + one),
        }
    }

    /// Closes a tunnel, and returns whether it was open. It is off the list a moment later.
    ///
    /// Its session ends with an error, and the log calls it refused.
    pub fn close(&self, id: u64) -> bool {
        let entry = self.lock().open.get(&id).cloned();
        entry.inspect(|entry| entry.close(Closing::Asked)).is_some()
    }

    /// Closes the tunnels for which `close` returns true, and returns how many they are.
    pub fn close_where(&self, mut close: impl FnMut(&OpenTunnel) -> bool) -> usize {
        let open = self.entries();
        let closing = open.iter().filter(|entry| close(&entry.snapshot()));
        closing.inspect(|entry| entry.close(Closing::Asked)).count()
    }

    /// Copies the list, so that no tunnel waits for what is done with it.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().open.values().cloned().collect()
    }

    pub(super) fn enter(&self, request: Arc<Request>) -> Place {
        let mut shared = self.lock();
        let entry = Arc::new(Entry::new(shared.next, request));
        shared.next += 1;
        shared.open.insert(entry.id, Arc::clone(&entry));
        drop(shared);
        let open = self.clone();
        Place { entry, open }
    }

    pub(super) fn remove(&self, entry: &Entry) {
        let mut shared = self.lock();
        if shared.open.remove(&entry.id).is_some() {
            shared.ended += entry.traffic();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an entry in the registry until it is dropped.
pub(super) struct Place {
    pub(super) entry: Arc<Entry>,
    pub(super) open: OpenTunnels,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.remove(&self.entry);
    }
}

impl fmt::Debug for OpenTunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = self.totals();
        f.debug_struct("OpenTunnels")
            .field("open", &totals.open)
            .field("opened", &totals.opened)
            .finish_non_exhaustive()
    }
}
