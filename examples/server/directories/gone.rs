//! Users whom a directory no longer knows, although they are still here.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

/// Names that are kept: more than have tunnels open. The oldest make room.
const MOST: usize = 16_384;

/// Names, each since when it is gone.
#[derive(Clone, Default)]
pub(super) struct Gone(Arc<RwLock<HashMap<Box<[u8]>, Instant>>>);

impl Gone {
    /// Notes that a name is gone now.
    pub(super) fn insert(&self, name: &[u8]) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST && !names.contains_key(name) {
            let oldest = names.iter().min_by_key(|(_, since)| **since);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                names.remove(&oldest);
            }
        }
        names.insert(name.into(), Instant::now());
    }

    /// Whether a name is gone since it was verified.
    pub(super) fn since(&self, name: &[u8], verified: Instant) -> bool {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(name).is_some_and(|since| *since >= verified)
    }
}
