//! Open tunnels that are told of while they last.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::session::record::{Recording, Sink};

/// How long one waits for a change at most: intervals may be set at any time.
const MOST: Duration = Duration::from_secs(10);

/// How long one waits at least: those that are due by then are told together.
const LEAST: Duration = Duration::from_millis(100);

/// The open tunnels that some sink hears of while they are open.
#[derive(Default)]
pub(super) struct Updates {
    last: AtomicU64,
    open: Mutex<BTreeMap<u64, Open>>,
}

struct Open {
    recording: Recording,
    /// For each sink that had an interval when the tunnel opened.
    due: Box<[Due]>,
}

struct Due {
    sink: Arc<dyn Sink>,
    at: Instant,
}

impl Updates {
    /// Enters a tunnel, where a sink wants to hear of it. Returns its number in the list.
    pub(super) fn enter(&self, recording: &Recording) -> Option<u64> {
        let wants = recording.sinks().iter().filter_map(|sink| {
            Some(Due {
                at: Instant::now().checked_add(sink.interval()?)?,
                sink: Arc::clone(sink),
            })
        });
        let due: Box<[Due]> = wants.collect();
        if due.is_empty() {
            return None;
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            recording: recording.clone(),
            due,
        };
        self.lock().insert(number, open);
        Some(number)
    }

    pub(super) fn remove(&self, number: u64) {
        let gone = self.lock().remove(&number);
        // Outside of the lock: the last one to go may tell a sink.
        drop(gone);
    }

    pub(super) async fn run(&self) {
        loop {
            let wait = self.tell();
            sleep(wait.clamp(LEAST, MOST)).await;
        }
    }

    /// Tells of the tunnels that are due. Returns how long it is until the next one is.
    fn tell(&self) -> Duration {
        let now = Instant::now();
        let mut told = Vec::new();
        let mut next = now + MOST;
        for open in self.lock().values_mut() {
            for due in &mut open.due {
                if due.at <= now {
                    // Of one that is no longer wanted nothing is said, until it is again.
                    let interval = due.sink.interval();
                    due.at = now + interval.unwrap_or(MOST).max(LEAST);
                    if interval.is_some() {
                        told.push((open.recording.clone(), Arc::clone(&due.sink)));
                    }
                }
                next = next.min(due.at);
            }
        }
        for (recording, sink) in told {
            recording.interim(&*sink);
        }
        next.saturating_duration_since(now)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
