//! Rounds in which open tunnels are woken to look at the policy again: some at a time, so that those who connect
//! meanwhile go between.

use std::{
    mem::replace,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

/// How many are woken at once, at least.
const AT_ONCE: usize = 16;

/// In how many steps all are woken, at most: so it is over in less than half a second, with any number of them.
const STEPS: usize = 256;

/// Between two steps. Timers have no finer ones.
const PAUSE: Duration = Duration::from_millis(1);

/// The tunnels under a policy, and the rounds that there were.
#[derive(Default)]
pub(super) struct Rounds {
    /// Which one it is, for a look without the lock.
    current: AtomicU64,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    round: u64,
    /// Those of the rounds in which the policy is asked.
    rechecks: u32,
    /// By their numbers. One that is gone leaves its number to another one.
    places: Vec<Entry>,
    /// Numbers without a place.
    free: Vec<u32>,
    /// From here on there may be some to wake.
    next: usize,
    is_going_on: bool,
}

struct Entry {
    /// None before the tunnel runs: it looks by itself then.
    waker: Option<Waker>,
    /// The last one that it has seen.
    round: u64,
}

impl Rounds {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a round. One that goes on begins anew.
    ///
    /// Outside of a runtime there is nobody to make pauses, and all are woken at once.
    pub(super) fn begin(self: &Arc<Self>, is_recheck: bool) {
        let runtime = Handle::try_current();
        let mut list = self.list();
        list.round = list.round.wrapping_add(1);
        list.rechecks = list.rechecks.wrapping_add(u32::from(is_recheck));
        self.current.store(list.round, Ordering::Release);
        list.next = 0;
        let most = runtime.as_ref().map_or(usize::MAX, |_| list.step());
        let woken = list.take(most);
        let goes_on = woken.len() == most && !list.is_going_on;
        list.is_going_on |= goes_on;
        drop(list);
        woken.into_iter().for_each(Waker::wake);
        if let Ok(runtime) = runtime
            && goes_on
        {
            let rounds = Arc::clone(self);
            let going_on = GoingOn {
                rounds,
                is_over: false,
            };
            runtime.spawn(going_on.finish());
        }
    }

    /// Enters a tunnel, which has seen the round of now.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut list = self.list();
        let (round, rechecks) = (list.round, list.rechecks);
        let number = list.enter();
        drop(list);
        Place {
            rounds: Arc::clone(self),
            number,
            round,
            rechecks,
            waker: None,
        }
    }
}

impl List {
    fn enter(&mut self) -> u32 {
        let round = self.round;
        let entry = Entry { waker: None, round };
        if let Some(number) = self.free.pop()
            && let Some(place) = self.places.get_mut(number as usize)
        {
            *place = entry;
            return number;
        }
        // More do not fit into memory.
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(entry);
        number
    }

    /// Frees a place, and returns whom it would have woken.
    fn leave(&mut self, number: u32) -> Option<Waker> {
        let waker = self.places.get_mut(number as usize)?.waker.take();
        self.free.push(number);
        if self.free.len() == self.places.len() {
            // A crowd that is gone leaves no room behind.
            self.free = Vec::new();
            self.places = Vec::new();
        }
        waker
    }

    fn step(&self) -> usize {
        AT_ONCE.max((self.places.len() - self.free.len()) / STEPS)
    }

    /// Takes the next wakers of those who have not seen the round.
    fn take(&mut self, most: usize) -> Vec<Waker> {
        let mut taken = Vec::new();
        for entry in self.places.iter().skip(self.next) {
            if taken.len() == most {
                break;
            }
            self.next += 1;
            if entry.round != self.round {
                taken.extend(entry.waker.clone());
            }
        }
        taken
    }
}

/// A round that is not over. If the runtime ends before it, the rest are woken at once: they may be of another one.
struct GoingOn {
    rounds: Arc<Rounds>,
    is_over: bool,
}

impl GoingOn {
    async fn finish(mut self) {
        while !self.is_over {
            sleep(PAUSE).await;
            self.step(None);
        }
    }

    /// Wakes some more.
    fn step(&mut self, most: Option<usize>) {
        let mut list = self.rounds.list();
        let most = most.unwrap_or_else(|| list.step());
        let woken = list.take(most);
        self.is_over = woken.len() < most;
        list.is_going_on = !self.is_over;
        drop(list);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        if !self.is_over {
            self.step(Some(usize::MAX));
        }
    }
}

/// The place of a tunnel among those that are woken.
pub(super) struct Place {
    rounds: Arc<Rounds>,
    number: u32,
    rechecks: u32,
    round: u64,
    /// Who is woken, as the list has it.
    waker: Option<Waker>,
}

impl Place {
    /// Whether nobody has polled it yet.
    pub(super) const fn is_new(&self) -> bool {
        self.waker.is_none()
    }

    /// Waits for a round, and says whether the policy is to be asked. A tunnel that is polled for another reason sees it
    /// at once.
    pub(super) fn poll_round(&mut self, cx: &Context<'_>) -> Poll<bool> {
        let is_woken = self.waker.as_ref();
        let is_woken = is_woken.is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_woken && self.rounds.current.load(Ordering::Acquire) == self.round {
            return Poll::Pending;
        }
        let mut list = self.rounds.list();
        let (round, rechecks) = (list.round, list.rechecks);
        let Some(entry) = list.places.get_mut(self.number as usize) else {
            return Poll::Pending; // it is there until it is dropped
        };
        entry.round = round;
        let old = match is_woken {
            true => None,
            false => {
                self.waker = Some(cx.waker().clone());
                replace(&mut entry.waker, self.waker.clone())
            }
        };
        drop(list);
        // Not in there: nobody knows what the last waker of a task takes along.
        drop(old);
        if self.round == round {
            return Poll::Pending;
        }
        self.round = round;
        let before = replace(&mut self.rechecks, rechecks);
        Poll::Ready(before != rechecks)
    }

    /// How much later than others it looks at the clock, so that not all look in one moment.
    pub(super) fn spread(&self) -> Duration {
        PAUSE * (self.number % STEPS as u32)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.rounds.list().leave(self.number);
        // Not in there, for the same reason.
        drop(waker);
    }
}
