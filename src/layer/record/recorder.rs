use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
    /// Whether there is any: mostly there is not, and then no session takes the lock.
    has_sinks: AtomicBool,
    sinks: RwLock<Sinks>,
    unspoken: Arc<AtomicU64>,
    updates: Updates,
}

impl Recorder {
    /// Creates a recorder for these sinks.
    pub fn new(sinks: impl IntoIterator<Item = Arc<dyn Sink>>) -> Self {
        let sinks: Sinks = sinks.into_iter().collect();
        Self {
            shared: Arc::new(Shared {
                ids: SessionIds::new(),
                has_sinks: AtomicBool::new(!sinks.is_empty()),
                sinks: RwLock::new(sinks),
                unspoken: Arc::default(),
                updates: Updates::default(),
            }),
        }
    }

    /// Replaces the sinks. A session goes on telling those that it began with.
    pub fn set_sinks(&self, sinks: impl IntoIterator<Item = Arc<dyn Sink>>) {
        let sinks: Sinks = sinks.into_iter().collect();
        let has_sinks = !sinks.is_empty();
        let mut current = self
            .shared
            .sinks
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = sinks;
        // While the lock is held, so that of two calls at once the same one counts here.
        self.shared.has_sinks.store(has_sinks, Ordering::Release);
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

    /// Returns the sinks, if there are any.
    pub(super) fn sinks(&self) -> Option<Sinks> {
        if !self.shared.has_sinks.load(Ordering::Acquire) {
            return None;
        }
        let sinks = self.shared.sinks.read();
        let sinks = Arc::clone(&sinks.unwrap_or_else(PoisonError::into_inner));
        (!sinks.is_empty()).then_some(sinks)
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
            .field("sinks", &self.sinks().map_or(0, |sinks| sinks.len()))
            .finish_non_exhaustive()
    }
}
