//! The accounts of all keys at a node, and what is sent about them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ::redis::Pipeline;
use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, time::sleep_until};

use super::{
    Redis, WhileAway,
    account::Account,
    days::Days,
    forget::{MOST, forget},
    kept::Kept,
    scripts,
    statement::{Answer, Others, Sent, Used, is_open},
};
use crate::{
    error::Refusal,
    layer::meter::{QuotaKey, Quotas},
};

/// How often it is asked again because it is another day for Redis: its clock can be set while it is asked.
const DAYS: u32 = 5;

/// Keys that are written down at once.
const BATCH: usize = 256;

pub(super) struct Accounts<K> {
    pub(super) redis: Redis,
    pub(super) name: Box<str>,
    pub(super) away: WhileAway,
    pub(super) days: Days,
    pub(super) quotas: Mutex<Quotas>,
    keys: Mutex<HashMap<K, Account>>,
    writers: AtomicU64,
    /// An answer has not come: Redis may have forgotten what it knew.
    lost: AtomicBool,
}

/// What a request for a lease has come to.
enum Asked {
    Answered,
    /// It is another day, or somebody else asks.
    Again,
    Failed,
}

type Row = (u8, u64, u64, u64, u64, u64);

impl<K> Accounts<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    pub(super) fn new(redis: Redis, name: Box<str>, away: WhileAway, days: Days) -> Self {
        Self {
            redis,
            name,
            away,
            days,
            quotas: Mutex::default(),
            keys: Mutex::default(),
            writers: AtomicU64::new(0),
            lost: AtomicBool::new(false),
        }
    }

    pub(super) fn quotas(&self) -> Quotas {
        *self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<K, Account>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> u64 {
        self.writers.fetch_add(1, Ordering::Relaxed)
    }

    /// Does something with the account of a key and its quotas.
    pub(super) fn with<T>(&self, key: &K, with: impl FnOnce(&mut Account, Quotas) -> T) -> T {
        let (today, all) = (self.days.today(), self.quotas());
        let mut keys = self.lock();
        if keys.len() >= MOST && !keys.contains_key(key) {
            forget(&mut keys);
        }
        let fresh = || Account::new(self.writer(), today);
        let account = keys.entry(key.clone()).or_insert_with(fresh);
        account.begin(today);
        let quotas = account.own.unwrap_or(all);
        with(account, quotas)
    }

    /// Takes bytes; `None`, if Redis has to be asked first. Asks ahead where the lease is half used.
    pub(super) fn take(self: &Arc<Self>, key: &K, bytes: u64) -> Option<u64> {
        let (taken, is_low) = self.with(key, |account, quotas| {
            let taken = account.take(bytes, quotas);
            (
                taken,
                !is_open(quotas) && taken > Some(0) && account.is_low(),
            )
        });
        if is_low
            && self.redis.is_up()
            && let Ok(runtime) = Handle::try_current()
        {
            let (accounts, key) = (Arc::clone(self), key.clone());
            runtime.spawn(async move { accounts.ask(&key, 0).await });
        }
        taken
    }

    /// Takes bytes once they are leased, or by what the limit does while Redis is away.
    pub(super) async fn take_later(self: Arc<Self>, key: K, bytes: u64) -> Result<u64, Refusal> {
        let mut again = 0;
        loop {
            if let Some(taken) = self.take(&key, bytes) {
                return Ok(taken);
            }
            if !self.redis.is_up() {
                return self.take_away(&key, bytes);
            }
            let (is_away, is_asking, answered, wait) = self.with(&key, |account, _| {
                let answered = Arc::clone(&account.answered);
                let wait = account.vain.waits_until();
                (account.is_away(), account.is_asking(), answered, wait)
            });
            if is_away {
                return self.take_away(&key, bytes);
            }
            if let Some(until) = wait {
                sleep_until(until).await;
                continue;
            }
            if is_asking {
                let news = answered.notified();
                if self.with(&key, |account, _| account.is_asking()) {
                    news.await;
                }
                continue;
            }
            match self.ask(&key, bytes).await {
                Asked::Answered => {}
                Asked::Again if again < DAYS => again += 1,
                Asked::Again | Asked::Failed => return self.take_away(&key, bytes),
            }
        }
    }

    /// Takes bytes while Redis is away.
    pub(super) fn take_away(&self, key: &K, bytes: u64) -> Result<u64, Refusal> {
        self.lost.store(true, Ordering::Relaxed);
        match self.away {
            WhileAway::Closed => Err(WhileAway::refusal("limit quota")),
            WhileAway::Open => {
                self.with(key, |account, _| account.count(bytes));
                Ok(bytes)
            }
            WhileAway::Local => {
                let nodes = self.redis.nodes();
                let take = |account: &mut Account, quotas| account.take_part(bytes, quotas, nodes);
                Ok(self.with(key, take))
            }
        }
    }

    /// Asks for a lease, unless somebody does.
    async fn ask(&self, key: &K, bytes: u64) -> Asked {
        let sent = self.with(key, |account, quotas| {
            let is_free = !account.is_asking();
            is_free.then(|| (account.ask(bytes, || self.writer()), quotas))
        });
        let Some((sent, quotas)) = sent else {
            return Asked::Again;
        };
        self.send(vec![(key.clone(), sent, quotas)]).await
    }

    /// Sends commands about keys, and notes the answers.
    async fn send(&self, batch: Vec<(K, Sent, Quotas)>) -> Asked {
        let mut asking = Asking {
            accounts: self,
            batch,
        };
        let mut commands = Pipeline::new();
        for (key, sent, quotas) in &asking.batch {
            let place = self.redis.shared.place("quota", &self.name, &key.write());
            sent.add(&mut commands, &self.redis.shared, &place, *quotas);
        }
        let answers = self
            .redis
            .shared
            .scripts::<Vec<Row>>(&scripts::QUOTA, &commands);
        let Ok(answers) = answers.await else {
            self.lost.store(true, Ordering::Relaxed);
            return Asked::Failed;
        };
        let mut asked = Asked::Answered;
        let mut keys = self.lock();
        for ((key, sent, _), row) in std::mem::take(&mut asking.batch).into_iter().zip(answers) {
            let (is_news, seconds, leased, day, month, held) = row;
            let used = Used { day, month };
            let others = Others { used, held };
            if is_news == 0 {
                self.days.heard(seconds);
                asked = Asked::Again;
            }
            match keys.get_mut(&key) {
                Some(account) if is_news == 0 => account.ask_again(),
                Some(account) => {
                    let nodes = self.redis.nodes();
                    account.answer(
                        &sent,
                        &Answer {
                            leased,
                            others,
                            nodes,
                        },
                    );
                }
                None => {}
            }
        }
        asked
    }

    /// Writes down what is not, or renews what is leased.
    async fn write_down(&self, all: bool, gives_up: bool) {
        let lost = self.lost.swap(false, Ordering::Relaxed);
        let (today, quotas) = (self.days.today(), self.quotas());
        let due: Vec<K> = {
            let mut keys = self.lock();
            if gives_up {
                keys.values_mut().for_each(Account::give_up);
            }
            let due = keys.iter().filter(|(_, it)| it.is_due(all, lost));
            due.map(|(key, _)| key.clone()).collect()
        };
        for due in due.chunks(BATCH) {
            let batch = {
                let mut keys = self.lock();
                let batch = due.iter().filter_map(|key| {
                    let account = keys.get_mut(key).filter(|it| !it.is_asking())?;
                    account.begin(today);
                    let sent = account.renew(all, || self.writer());
                    Some((key.clone(), sent, account.own.unwrap_or(quotas)))
                });
                batch.collect()
            };
            if let Asked::Failed = self.send(batch).await {
                return;
            }
        }
    }
}

impl<K> Kept for Accounts<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    fn write(&self, all: bool) -> BoxFuture<'_, ()> {
        Box::pin(self.write_down(all, false))
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.write_down(true, true))
    }
}

/// Commands that were sent. What is left of them when it is dropped was not answered.
struct Asking<'a, K: Hash + Eq> {
    accounts: &'a Accounts<K>,
    batch: Vec<(K, Sent, Quotas)>,
}

impl<K: Hash + Eq> Drop for Asking<'_, K> {
    fn drop(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut keys = self
            .accounts
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (key, _, _) in &self.batch {
            if let Some(account) = keys.get_mut(key) {
                account.fail();
            }
        }
    }
}
