//! What a node holds of each key, and how it is written down.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ::redis::Pipeline;
use futures_util::future::BoxFuture;

use super::{
    Redis, WhileAway,
    held::{Answer, Held, Sent},
    kept::Kept,
    scripts,
    shared::millis,
};
use crate::layer::meter::QuotaKey;

/// Keys that are written down at once.
const BATCH: usize = 256;

pub(super) struct TunnelCounts<K> {
    pub(super) redis: Redis,
    pub(super) name: Box<str>,
    pub(super) away: WhileAway,
    /// Under which it writes down what it holds: that of the node, and a number for each that counts there.
    holder: String,
    epochs: AtomicU64,
    state: Mutex<State<K>>,
}

struct State<K> {
    keys: HashMap<K, Held>,
    /// Keys that are to be written down, each once.
    list: Vec<K>,
}

impl<K: Hash + Eq + Clone> State<K> {
    /// Changes what is held of a key, lists it where that is to be written down, and forgets it where it is nothing.
    fn change<T>(&mut self, key: &K, change: impl FnOnce(&mut Held) -> T) -> Option<T> {
        let Entry::Occupied(mut entry) = self.keys.entry(key.clone()) else {
            return None;
        };
        let held = entry.get_mut();
        let changed = change(held);
        if held.is_news() && !held.listed {
            held.listed = true;
            self.list.push(key.clone());
        }
        if held.is_forgotten() {
            entry.remove();
        }
        Some(changed)
    }
}

impl<K> TunnelCounts<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    pub(super) fn new(redis: &Redis, name: &str, away: WhileAway) -> Self {
        Self {
            redis: redis.clone(),
            name: name.into(),
            away,
            holder: redis.shared.holder(),
            epochs: AtomicU64::new(0),
            state: Mutex::new(State {
                keys: HashMap::new(),
                list: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn place(&self, key: &K) -> String {
        self.redis.place("tunnels", &self.name, &key.write())
    }

    /// Returns an epoch that is later than all before.
    fn epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
    }

    /// Prepares a command about a key, which asks for so many places.
    pub(super) fn send(&self, key: &K, places: u32) -> Sent {
        let mut state = self.state();
        match state.keys.get_mut(key) {
            Some(held) => held.send(places),
            None => {
                let mut held = Held::new(self.epoch());
                let sent = held.send(places);
                state.keys.insert(key.clone(), held);
                sent
            }
        }
    }

    pub(super) fn answered(&self, key: &K, sent: Sent, answer: Answer) -> Option<bool> {
        let next = self.epoch();
        let taken = self
            .state()
            .change(key, |held| held.answered(sent, answer, next));
        taken.flatten()
    }

    /// Takes that there is no answer, and will be none.
    pub(super) fn unanswered(&self, key: &K, sent: Sent) {
        let next = self.epoch();
        self.state().change(key, |held| held.unanswered(sent, next));
        self.redis.shared.news.notify_one();
    }

    /// Takes that a tunnel has ended.
    pub(super) fn ended(&self, key: &K) {
        self.state().change(key, Held::end);
        self.redis.shared.news.notify_one();
    }

    /// Changes what is held of a key, be it nothing so far.
    pub(super) fn change_or_begin<T: Default>(
        &self,
        key: &K,
        change: impl FnOnce(&mut Held) -> T,
    ) -> T {
        let mut state = self.state();
        if !state.keys.contains_key(key) {
            state.keys.insert(key.clone(), Held::new(self.epoch()));
        }
        state.change(key, change).unwrap_or_default()
    }

    /// Returns the keys that are to be written down.
    fn listed(&self, all: bool) -> Vec<K> {
        let mut state = self.state();
        let State { keys, list } = &mut *state;
        let listed = mem::take(list);
        for key in &listed {
            if let Some(held) = keys.get_mut(key) {
                held.listed = false;
            }
        }
        match all {
            true => keys.keys().cloned().collect(),
            false => listed,
        }
    }

    /// Prepares commands about keys.
    fn batch(&self, keys: &[K]) -> Vec<(K, Sent)> {
        let mut state = self.state();
        let sent = keys.iter().filter_map(|key| {
            let held = state.keys.get_mut(key)?;
            Some((key.clone(), held.send(0)))
        });
        sent.collect()
    }

    async fn write_down(&self, all: bool) {
        let keys = self.listed(all);
        for keys in keys.chunks(BATCH) {
            let batch = self.batch(keys);
            let mut commands = Pipeline::new();
            for (key, sent) in &batch {
                self.add(&mut commands, key, sent);
            }
            let answers = self
                .redis
                .shared
                .scripts::<Vec<Answer>>(&scripts::TUNNELS, &commands)
                .await;
            // Whatever has no answer is listed again.
            let mut answers = answers.unwrap_or_default().into_iter();
            for (key, sent) in &batch {
                match answers.next() {
                    Some(answer) => drop(self.answered(key, *sent, answer)),
                    None => self.unanswered(key, *sent),
                }
            }
        }
    }

    fn add(&self, commands: &mut Pipeline, key: &K, sent: &Sent) {
        scripts::execute(commands, &scripts::TUNNELS, &self.place(key))
            .arg(&self.arguments(0, 0, *sent));
    }

    /// Returns the arguments of the script.
    pub(super) fn arguments(&self, more: u8, most: usize, sent: Sent) -> [String; 7] {
        [
            self.holder.clone(),
            more.to_string(),
            most.min(i32::MAX as usize).to_string(),
            sent.epoch.to_string(),
            sent.base.to_string(),
            sent.change.to_string(),
            millis(self.redis.lease()).to_string(),
        ]
    }
}

impl<K> Kept for TunnelCounts<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn write(&self, all: bool) -> BoxFuture<'_, ()> {
        Box::pin(self.write_down(all))
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let keys: Vec<K> = self.state().keys.keys().cloned().collect();
            for key in keys {
                let next = self.epoch();
                self.state().change(&key, |held| held.leave(next));
            }
            self.write_down(true).await;
        })
    }
}
