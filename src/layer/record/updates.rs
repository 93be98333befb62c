//! Open tunnels that are told of while they last.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::session::{
    Identity,
    record::{Recording, Sink},
};

/// How long one waits for a change at most: intervals may be set at any time.
const MOST: Duration = Duration::from_secs(10);

/// How long one waits at least: those that are due by then are told together.
const LEAST: Duration = Duration::from_millis(100);

/// The open tunnels that some sink hears of while they are open.
#[derive(Default)]
pub(super) struct Updates {
    last: AtomicU64,
    list: Mutex<List>,
    /// Somebody is due before the next look.
    sooner: Notify,
}

#[derive(Default)]
struct List {
    open: BTreeMap<NonZeroU64, Open>,
    /// When one looks again.
    next: Option<Instant>,
}

struct Open {
    recording: Recording,
    identity: Identity,
    /// For each sink that had an interval when the tunnel opened.
    due: Box<[Due]>,
}

struct Due {
    sink: Arc<dyn Sink>,
    at: Instant,
}

impl Updates {
    /// Enters a tunnel, where a sink wants to hear of it. Returns its number in the list.
    pub(super) fn enter(&self, recording: &Recording) -> Option<NonZeroU64> {
        let identity = recording.identity();
        let wants = recording.sinks().iter().filter_map(|sink| {
            Some(Due {
                at: Instant::now().checked_add(sink.interval_of(&identity)?)?,
                sink: Arc::clone(sink),
            })
        });
        let due: Box<[Due]> = wants.collect();
        let first = due.iter().map(|due| due.at).min()?;
        let number = NonZeroU64::new(self.last.fetch_add(1, Ordering::Relaxed) + 1)?;
        let open = Open {
            recording: recording.clone(),
            identity,
            due,
        };
        let mut list = self.lock();
        list.open.insert(number, open);
        if list.next.is_some_and(|next| first < next) {
            list.next = Some(first);
            self.sooner.notify_one();
        }
        Some(number)
    }

    pub(super) fn remove(&self, number: NonZeroU64) {
        let gone = self.lock().open.remove(&number);
        // Outside of the lock: the last one to go may tell a sink.
        drop(gone);
    }

    pub(super) async fn run(&self) {
        loop {
            let wait = self.tell();
            _ = timeout(wait, self.sooner.notified()).await;
        }
    }

    /// Tells of the tunnels that are due. Returns how long it is until the next one is.
    fn tell(&self) -> Duration {
        let now = Instant::now();
        let mut told = Vec::new();
        let mut next = now + MOST;
        let mut list = self.lock();
        for open in list.open.values_mut() {
            for due in &mut open.due {
                if due.at <= now {
                    // Of one that is no longer wanted nothing is said, until it is again.
                    let interval = due.sink.interval_of(&open.identity);
                    due.at = now + interval.unwrap_or(MOST).max(LEAST);
                    if interval.is_some() {
                        told.push((open.recording.clone(), Arc::clone(&due.sink)));
                    }
                }
                next = next.min(due.at);
            }
        }
        let wait = next.saturating_duration_since(now).clamp(LEAST, MOST);
        list.next = Some(now + wait);
        drop(list);
        for (recording, sink) in told {
            recording.interim(&*sink);
        }
        wait
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
