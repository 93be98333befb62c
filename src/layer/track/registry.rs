use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    TrackLayer,
    entry::{Entry, Place},
};
use crate::{
    proto::{Address, Command},
    relay::Traffic,
    session::{Identity, Request},
};

/// The open tunnels of a proxy. See the [module](super).
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
    /// What the tunnels that have ended have moved.
    ended: Traffic,
}

/// An open tunnel, as it was when it was asked about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenTunnel {
    /// What it is called here; never used again.
    pub id: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// Who the client is.
    pub identity: Identity,
    /// What it has asked for.
    pub command: Command,
    /// Where to, as stated.
    pub target: Address,
    /// The address that it leads to, if the connector has [said](Request::reached).
    pub reached: Option<SocketAddr>,
    /// When it was opened, by this machine's clock.
    pub since: SystemTime,
    /// For how long it has been open.
    pub age: Duration,
    /// What has come from either side so far, in bytes.
    pub traffic: Traffic,
}

/// All tunnels together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Open now.
    pub open: usize,
    /// Opened since the beginning.
    pub opened: u64,
    /// What has come from either side, in bytes, of open ones and of those that have ended.
    pub traffic: Traffic,
}

impl OpenTunnels {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A layer that puts the tunnels of the service inside on the list.
    #[must_use]
    pub fn layer(&self) -> TrackLayer {
        TrackLayer::new(self.clone())
    }

    /// All that are open, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<OpenTunnel> {
        // Looked at after the lock: nobody waits for it.
        let open: Vec<_> = self.lock().open.values().cloned().collect();
        open.iter().map(|entry| entry.snapshot()).collect()
    }

    /// All of them together.
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

    /// Closes one. Says whether it was there. It is off the list a moment later.
    ///
    /// Its session ends with an error, and the log calls it refused.
    pub fn close(&self, id: u64) -> bool {
        let entry = self.lock().open.get(&id).cloned();
        entry.inspect(|entry| entry.close()).is_some()
    }

    /// Closes those for which `close` says yes. Says how many they are.
    pub fn close_where(&self, mut close: impl FnMut(&OpenTunnel) -> bool) -> usize {
        let open: Vec<_> = self.lock().open.values().cloned().collect();
        let closing = open.iter().filter(|entry| close(&entry.snapshot()));
        closing.inspect(|entry| entry.close()).count()
    }

    pub(super) fn enter(&self, request: Request) -> Place {
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

impl fmt::Debug for OpenTunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = self.totals();
        f.debug_struct("OpenTunnels")
            .field("open", &totals.open)
            .field("opened", &totals.opened)
            .finish_non_exhaustive()
    }
}
