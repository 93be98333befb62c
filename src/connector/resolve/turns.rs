//! Turns: how many lookups run at once, of all clients and of each.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    admission::{LOOKUPS_WAITING, LimitEvents, Waiting},
    error::Refusal,
    proto::ReplyCode,
    session::UserOrClient,
};

/// The user or client network that a lookup is for. Those that are for no client are one of their own.
pub(super) type Key = Option<UserOrClient>;

/// How long a lookup waits for its turn.
const LIMIT: Duration = Duration::from_secs(5);

/// Lookups of one key that wait, and keys that are known.
const MOST_WAITING: usize = 512;
const MOST_KEYS: usize = 16 * 1024;

/// A key takes a turn only while it has less than one in so many of those that are free: so there is one
/// left for the next key, however many lookups hang, and however many keys have some. Its first turn
/// needs no more than a free one.
const SHARE: usize = 4;

/// The turns of one resolver. Clones share them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    events: LimitEvents<UserOrClient>,
}

struct Queue {
    free: usize,
    keys: HashMap<Key, Lookups>,
    /// The keys that wait, first the one whose turn it is next.
    order: VecDeque<Key>,
}

#[derive(Default)]
struct Lookups {
    running: usize,
    /// First come, first served, within one key.
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The turn of one lookup, until it is dropped: when the lookup has ended, not when nobody waits for it any
/// more.
pub(super) struct Turn {
    turns: Turns,
    key: Key,
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(Queue {
                free: most.max(1),
                keys: HashMap::new(),
                order: VecDeque::new(),
            }),
            events: LimitEvents::new("lookups"),
        }))
    }

    /// Takes a turn, or waits for one, for a bounded time.
    ///
    /// # Errors
    ///
    /// A refusal with 06 for a key that waits for too many, or too long.
    pub(super) async fn take(&self, key: Key) -> Result<Turn, Refusal> {
        let waiting = match self.enter(&key) {
            Entered::Turn => {
                return Ok(Turn {
                    turns: self.clone(),
                    key,
                });
            }
            Entered::Waits(waiting) => Some(waiting),
            Entered::Full => None,
        };
        if let Some(key) = &key {
            self.0.events.reached(key);
        }
        let Some(waiting) = waiting else {
            return Err(too_many("too many lookups of this client wait"));
        };
        let _counted = Waiting::new(LOOKUPS_WAITING);
        match timeout(LIMIT, waiting).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(too_many(
                "too many lookups: there was no turn for this client",
            )),
        }
    }

    fn enter(&self, key: &Key) -> Entered {
        let mut queue = self.queue();
        let Queue { free, keys, order } = &mut *queue;
        if keys.len() >= MOST_KEYS && !keys.contains_key(key) {
            return Entered::Full;
        }
        let lookups = keys.entry(key.clone()).or_default();
        if lookups.waiting.is_empty() && lookups.may_take(*free) {
            lookups.running += 1;
            *free -= 1;
            return Entered::Turn;
        }
        if lookups.waiting.len() >= MOST_WAITING {
            lookups.waiting.retain(|waiting| !waiting.is_closed());
        }
        if lookups.waiting.len() >= MOST_WAITING {
            return Entered::Full;
        }
        if lookups.waiting.is_empty() && !order.contains(key) {
            order.push_back(key.clone());
        }
        let (turn, waiting) = oneshot::channel();
        lookups.waiting.push_back(turn);
        Entered::Waits(waiting)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entered {
    Turn,
    Waits(oneshot::Receiver<Turn>),
    Full,
}

impl Lookups {
    fn may_take(&self, free: usize) -> bool {
        free > 0 && (self.running == 0 || self.running.saturating_mul(SHARE) < free)
    }
}

impl Queue {
    /// Gives the free turns to those that wait, a turn for each key in turn.
    fn grant(&mut self) -> Vec<(Key, oneshot::Sender<Turn>)> {
        let mut granted = Vec::new();
        let mut refused = 0;
        while self.free > 0
            && refused < self.order.len()
            && let Some(key) = self.order.pop_front()
        {
            let Some(lookups) = self.keys.get_mut(&key) else {
                continue;
            };
            while lookups
                .waiting
                .front()
                .is_some_and(oneshot::Sender::is_closed)
            {
                lookups.waiting.pop_front();
            }
            if lookups.waiting.is_empty() {
                if lookups.running == 0 {
                    self.keys.remove(&key);
                }
                continue;
            }
            if !lookups.may_take(self.free) {
                self.order.push_back(key);
                refused += 1;
                continue;
            }
            if let Some(waiting) = lookups.waiting.pop_front() {
                lookups.running += 1;
                self.free -= 1;
                granted.push((key.clone(), waiting));
            }
            if !lookups.waiting.is_empty() {
                self.order.push_back(key);
            }
            refused = 0;
        }
        granted
    }
}

impl Turn {
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.turns.queue();
        queue.free += 1;
        let mut is_idle = false;
        if let Some(lookups) = queue.keys.get_mut(&self.key) {
            lookups.running -= 1;
            is_idle = lookups.running == 0 && lookups.waiting.is_empty();
        }
        if is_idle {
            queue.keys.remove(&self.key);
        }
        let granted = queue.grant();
        drop(queue);
        if is_idle && let Some(key) = &self.key {
            self.turns.0.events.left(key);
        }
        for (key, waiting) in granted {
            let turns = self.turns.clone();
            // One that has left in the meantime gives its turn back by dropping it.
            let _ = waiting.send(Turn { turns, key });
        }
    }
}

fn too_many(reason: &'static str) -> Refusal {
    Refusal::new(ReplyCode::TTL_EXPIRED, reason).with_rule("limit lookups")
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({} free)", self.queue().free)
    }
}
