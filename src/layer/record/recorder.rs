use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::updates::Updates;
use crate::session::record::{SessionIds, Sink, Sinks};

/// Gives the records of sessions to sinks. See the [module](super).
///
/// Clones share the sinks and the numbers of sessions.
#[derive(Clone)]
pub struct Recorder {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    ids: SessionIds,
    sinks: RwLock<Sinks>,
    unspoken: Arc<AtomicU64>,
    updates: Updates,
}

impl Recorder {
    /// Creates a recorder for these sinks.
    pub fn new(sinks: impl IntoIterator<Item = Arc<dyn Sink>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                ids: SessionIds::new(),
                sinks: RwLock::new(sinks.into_iter().collect()),
                unspoken: Arc::default(),
                updates: Updates::default(),
            }),
        }
    }

    /// Replaces the sinks. A session goes on telling those that it began with.
    pub fn set_sinks(&self, sinks: impl IntoIterator<Item = Arc<dyn Sink>>) {
        let sinks = sinks.into_iter().collect();
        let mut current = self
            .shared
            .sinks
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = sinks;
    }

    /// Returns the number of connections that ended before their client had asked for anything, and of which there is
    /// no record: load balancers look whether somebody is here, and browsers open connections ahead of time.
    #[must_use]
    pub fn unspoken(&self) -> u64 {
        self.shared.unspoken.load(Ordering::Relaxed)
    }

    /// Calls [`Sink::interim`] for open tunnels when it is time, until it is dropped. It is to be spawned once; where no
    /// sink has an [interval](Sink::interval), it wakes every ten seconds to see whether one has.
    ///
    /// A call comes up to a tenth of a second late.
    pub async fn updates(self) {
        self.shared.updates.run().await;
    }

    pub(super) fn sinks(&self) -> Sinks {
        let sinks = self.shared.sinks.read();
        Arc::clone(&sinks.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    pub(super) const fn ids(&self) -> &SessionIds {
        &self.ids
    }

    pub(super) fn unspoken(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unspoken)
    }

    pub(super) const fn updates(&self) -> &Updates {
        &self.updates
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("sinks", &self.sinks().len())
            .finish_non_exhaustive()
    }
}
