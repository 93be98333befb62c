//! A gate for verifications that wait for somebody else, or for a thread: so many at once, and a queue with a share for each.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::queue::{Entered, Place, Queue, too_many};
use crate::{
    admission::{LimitEvents, client_network},
    error::Refusal,
};

/// Lets so many verifications through at once. The others wait in a bounded queue in which sites, clients and names have a
/// share each, for a bounded time.
pub(super) struct Gate {
    patience: Duration,
    state: Mutex<State>,
    events: LimitEvents<IpAddr>,
}

struct State {
    free: usize,
    queue: Queue<Waiting>,
}

struct Waiting {
    client: Option<IpAddr>,
    passed: oneshot::Sender<Result<Permit, Refusal>>,
}

impl Gate {
    /// Creates a gate for `at_once`, with a queue of `most`.
    pub(super) fn new(at_once: usize, most: usize, patience: Duration) -> Self {
        Self {
            patience,
            state: Mutex::new(State {
                free: at_once.max(1),
                queue: Queue::new(most.max(1)),
            }),
            events: LimitEvents::new("verifications that wait"),
        }
    }

    /// Waits for a permit. Dropping the future gives its place up.
    ///
    /// # Errors
    ///
    /// The queue is full, or the time is over.
    pub(super) async fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        name: &[u8],
    ) -> Result<Permit, Refusal> {
        let client = client_network(peer);
        let (passed, answer) = oneshot::channel();
        let entered = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit(Some(Arc::clone(self))));
            }
            let path = state.queue.path(peer, name);
            state.queue.enter(path, Waiting { client, passed })
        };
        let (place, displaced) = match entered {
            Entered::Waits(place, displaced) => (place, displaced),
            Entered::Full => return Err(self.refuse(client)),
        };
        if let Some(displaced) = displaced {
            let refusal = self.refuse(displaced.client);
            // Nobody listens if it was dropped meanwhile.
            _ = displaced.passed.send(Err(refusal));
        }
        let _place = Taken { gate: self, place };
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(passed)) => passed,
            _ => Err(self.refuse(client)),
        }
    }

    /// How many wait, and how many may.
    #[cfg(any(
        feature = "http-auth",
        feature = "ldap",
        feature = "postgres",
        feature = "radius"
    ))]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.state();
        (state.queue.len(), state.queue.most())
    }

    fn refuse(&self, client: Option<IpAddr>) -> Refusal {
        if let Some(client) = client {
            self.events.reached(&client);
        }
        too_many()
    }

    /// Gives a permit to the next that waits.
    fn pass_on(self: Arc<Self>) {
        let mut permit = Permit(Some(self));
        while let Some(gate) = permit.0.as_ref() {
            let mut state = gate.state();
            let Some(next) = state.queue.next() else {
                state.free += 1;
                drop(state);
                permit.0 = None;
                return;
            };
            drop(state);
            match next.passed.send(Ok(permit)) {
                Ok(()) => return,
                // It has gone in this moment.
                Err(Ok(back)) => permit = back,
                Err(Err(_)) => return,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A verification that is let through, until this is dropped.
pub(super) struct Permit(Option<Arc<Gate>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.pass_on();
        }
    }
}

/// A place in the queue, given up on drop.
struct Taken<'a> {
    gate: &'a Gate,
    place: Place,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let left = self.gate.state().queue.leave(self.place);
        // Outside of the lock.
        drop(left);
    }
}
