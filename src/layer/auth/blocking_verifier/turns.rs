//! Turns: threads that verify what waits, one after the other.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Duration, Instant},
};

use super::queue::{Entered, Place, Queue, too_many};
use crate::{
    admission::{LimitEvents, VERIFICATIONS_WAITING, Waiting, client_network},
    error::{AuthError, BoxError},
    session::{Credentials, Identity},
};

/// Verifies in one thread, with the memory of its turn.
pub(super) type Verify = Box<dyn FnMut(&Credentials) -> Result<Identity, AuthError>>;

/// Makes the memory of a turn, in its thread.
pub(super) type MakeVerify = Arc<dyn Fn() -> Verify + Send + Sync>;

pub(super) type Verdict = Result<Identity, BoxError>;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Calls at once.
    pub(super) turns: usize,
    /// Those that wait.
    pub(super) queue: usize,
    /// How long each waits.
    pub(super) patience: Duration,
}

pub(super) struct Turns {
    pub(super) make: MakeVerify,
    pub(super) limits: Limits,
    state: Mutex<State>,
    events: LimitEvents<IpAddr>,
}

struct State {
    queue: Queue<Job>,
    /// Threads that verify.
    taken: usize,
}

struct Job {
    credentials: Credentials,
    since: Instant,
    verdict: oneshot::Sender<Verdict>,
    waiting: Waiting,
}

impl Turns {
    pub(super) fn new(make: MakeVerify, limits: Limits) -> Self {
        Self {
            make,
            limits,
            state: Mutex::new(State {
                queue: Queue::new(limits.queue),
                taken: 0,
            }),
            events: LimitEvents::new("verifications that wait"),
        }
    }

    /// Queues a verification, and takes a turn for it if there is one.
    pub(super) fn verify(
        self: &Arc<Self>,
        credentials: Credentials,
    ) -> Result<(Place, oneshot::Receiver<Verdict>), BoxError> {
        let runtime = Handle::try_current()?;
        let client = client_network(credentials.peer().ip());
        let (verdict, answer) = oneshot::channel();
        let mut state = self.state();
        let path = state
            .queue
            .path(credentials.peer().ip(), credentials.name());
        let entered = state.queue.enter(
            path,
            Job {
                credentials,
                since: Instant::now(),
                verdict,
                waiting: Waiting::new(VERIFICATIONS_WAITING),
            },
        );
        let more = state.take_turn(self.limits.turns);
        drop(state);
        if more {
            self.start(&runtime);
        }
        match entered {
            Entered::Waits(place, displaced) => {
                if let Some(job) = displaced {
                    let client = client_network(job.credentials.peer().ip());
                    self.refuse(client, job.verdict);
                }
                Ok((place, answer))
            }
            Entered::Full => {
                self.reached(client);
                Err(too_many().into())
            }
        }
    }

    fn refuse(&self, client: Option<IpAddr>, verdict: oneshot::Sender<Verdict>) {
        self.reached(client);
        // Nobody listens if it was dropped meanwhile.
        _ = verdict.send(Err(too_many().into()));
    }

    fn reached(&self, client: Option<IpAddr>) {
        if let Some(client) = client {
            self.events.reached(&client);
        }
    }

    /// Gives up a place in the queue. What has its turn goes on.
    pub(super) fn leave(&self, place: Place) {
        let job = self.state().queue.leave(place);
        // Outside of the lock, since extensions may be anything.
        drop(job);
    }

    fn start(self: &Arc<Self>, runtime: &Handle) {
        let turn = Turn {
            turns: Arc::clone(self),
            taken: true,
        };
        runtime.spawn_blocking(move || turn.verify_all());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one more turn, if there is something to do with it.
    fn take_turn(&mut self, most: usize) -> bool {
        let more = self.taken < most && self.queue.len() > 0;
        self.taken += usize::from(more);
        more
    }
}

/// A turn that is taken. It belongs to the thread, whatever becomes of the futures that wait.
struct Turn {
    turns: Arc<Turns>,
    taken: bool,
}

impl Turn {
    fn verify_all(mut self) {
        while self.taken {
            self.verify_waiting();
            // Within one lock, so that what comes now finds the turn free.
            let mut state = self.turns.state();
            if state.queue.len() == 0 {
                state.taken -= 1;
                self.taken = false;
            }
        }
    }

    /// Verifies until nothing waits, and frees the memory of the turn.
    fn verify_waiting(&self) {
        let turns = &*self.turns;
        let mut verify = None;
        loop {
            let mut state = turns.state();
            let next = state.queue.next();
            let calm = state.queue.len() <= turns.limits.queue / 4;
            drop(state);
            let Some(job) = next else {
                return;
            };
            drop(job.waiting);
            if job.verdict.is_closed() {
                continue;
            }
            let client = client_network(job.credentials.peer().ip());
            if job.since.elapsed() > turns.limits.patience {
                turns.refuse(client, job.verdict);
                continue;
            }
            if let Some(client) = client.filter(|_| calm) {
                turns.events.left(&client);
            }
            let verify = verify.get_or_insert_with(|| (turns.make)());
            let verdict = verify(&job.credentials).map_err(Into::into);
            // Nobody listens if it was dropped meanwhile.
            _ = job.verdict.send(verdict);
        }
    }
}

/// After a panic of the verifier, or where the runtime stopped before the thread began.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.taken {
            return;
        }
        let runtime = Handle::try_current();
        let mut state = self.turns.state();
        state.taken -= 1;
        let more =
            thread::panicking() && runtime.is_ok() && state.take_turn(self.turns.limits.turns);
        drop(state);
        if let (true, Ok(runtime)) = (more, runtime) {
            self.turns.start(&runtime);
        }
    }
}
