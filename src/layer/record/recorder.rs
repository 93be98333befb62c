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
    /// Whether sessions have a record: mostly they have none, and then no session takes the lock.
    records: AtomicBool,
    told: RwLock<Told>,
    unspoken: Arc<AtomicU64>,
    updates: Updates,
}

struct Told {
    sinks: Sinks,
    /// Somebody reads the records of sessions while they last, who is no sink.
    always: bool,
}

impl Told {
    fn is_anybody(&self) -> bool {
        self.always || !self.sinks.is_empty()
    }
}

impl Recorder {
    /// Creates a recorder for these sinks.
    pub fn new(sinks: impl IntoIterator<Item = Arc<dyn Sink>>) -> Self {
        let sinks: Sinks = sinks.into_iter().collect();
        Self {
            shared: Arc::new(Shared {
                ids: SessionIds::new(),
                records: AtomicBool::new(!sinks.is_empty()),
                told: RwLock::new(Told {
                    sinks,
                    always: false,
                }),
                unspoken: Arc::default(),
                updates: Updates::default(),
            }),
        }
    }

    /// Replaces the sinks. A session goes on telling those that it began with.
    pub fn set_sinks(&self, sinks: impl IntoIterator<Item = Arc<dyn Sink>>) {
        let sinks = sinks.into_iter().collect();
        self.set(|told| told.sinks = sinks);
    }

    /// Has sessions that begin from here on have a record where there is no sink as well; by default they have none then.
    /// Verifiers that tell a service of the session read it, such as `HttpCallOut` (feature `http-auth`).
    pub fn set_always(&self, always: bool) {
        self.set(|told| told.always = always);
    }

    fn set(&self, change: impl FnOnce(&mut Told)) {
        let told = self.shared.told.write();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        change(&mut told);
        // While the lock is held, so that of two calls at once the same one counts here.
        let records = told.is_anybody();
        self.shared.records.store(records, Ordering::Release);
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

    /// Returns whom a session that begins now tells, if it is to have a record.
    pub(super) fn sinks(&self) -> Option<Sinks> {
        if !self.shared.records.load(Ordering::Acquire) {
            return None;
        }
        let told = self.shared.told.read();
        let told = told.unwrap_or_else(PoisonError::into_inner);
        told.is_anybody().then(|| Arc::clone(&told.sinks))
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
