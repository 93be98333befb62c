use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Periods, Quotas,
    counts::{Entry, State},
    file::Used,
    period::Period,
    place::Place,
};
use crate::{
    admission::{Fullest, LogBudget},
    layer::meter::QuotaStore,
    session::{Fullness, Share},
};

/// Keys that are remembered at once.
const MOST: usize = 64 * 1024;

/// A clock that is before this time (the year 2024) has not been set yet.
const NEVER: Duration = Duration::from_secs(1_704_067_200);

/// Counts the bytes of each key in days and months of the calendar, in memory, and in a [file](Self::open) if there is one.
/// Clones share the counts.
///
/// It remembers 65,536 keys, or [as many as it is told](Self::most_keys); where there are more, the half that has used the
/// least this month is forgotten.
///
/// **The file** is written beside the old one and put in its place, so that a crash leaves the one or the other; what was
/// counted after it was last [saved](Self::save) is lost then, and what open tunnels had taken ahead, up to 256 KiB each,
/// counts as used. Several processes can have one file, as when a server is replaced while it drains: each adds what it has
/// counted. A file that is damaged is moved aside, to the name with `.damaged` behind it, and the log says so at warn. Where
/// it cannot be written, as on a full disk, counting goes on in memory, the log says so at most once in ten minutes, and the
/// next save tries again.
///
/// The file is text: a line `tower-socks quotas 1`, which is its version; a line `day 2026-11-27 month 2026-11-01`, which
/// days of the calendar the day and its month began on; a line for each key, with the bytes of the day, those of the month,
/// and the key as [`QuotaKey`](super::QuotaKey) writes it; and a line `end` with their number.
///
/// **The clock** is that of the system. Where it is set back, counts stay until the next day begins; one that has not been
/// set at all, before 2024, begins no day.
pub struct CalendarStore<K>(pub(super) Arc<Shared<K>>);

pub(super) struct Shared<K> {
    periods: Mutex<Periods>,
    quotas: Mutex<Quotas>,
    place: Mutex<Place>,
    pub(super) failures: LogBudget,
    most: usize,
    clock: Clock,
    state: Mutex<State<K>>,
    /// One save at a time.
    pub(super) saving: Mutex<()>,
}

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

impl<K: Hash + Eq + Clone> CalendarStore<K> {
    /// Allows each key these quotas, counted in memory.
    #[must_use]
    pub fn new(quotas: Quotas, periods: Periods) -> Self {
        Self::with_clock(quotas, periods, SystemTime::now)
    }

    /// Takes the time from another clock: in tests.
    #[must_use]
    pub fn with_clock(
        quotas: Quotas,
        periods: Periods,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        let now = clock();
        let (period, until) = periods.at(now);
        Self(Arc::new(Shared {
            periods: Mutex::new(periods),
            quotas: Mutex::new(quotas),
            place: Mutex::default(),
            failures: LogBudget::new(1, Duration::from_secs(600)),
            most: MOST,
            clock: Arc::new(clock),
            state: Mutex::new(State {
                period,
                from: now,
                until,
                keys: HashMap::new(),
            }),
            saving: Mutex::new(()),
        }))
    }

    /// Sets how many keys are remembered at once; 0 is taken for 1. What was cloned before counts for itself.
    #[must_use]
    pub fn most_keys(self, most: usize) -> Self {
        self.with(|shared| shared.most = most.max(1))
    }

    /// Changes what nobody shares yet.
    pub(super) fn with(self, change: impl FnOnce(&mut Shared<K>)) -> Self {
        let Shared { most, clock, .. } = &*self.0;
        let (period, from, until, keys) = {
            let state = self.0.lock();
            (state.period, state.from, state.until, state.keys.clone())
        };
        let mut shared = Shared {
            periods: Mutex::new(self.0.lock_periods().clone()),
            quotas: Mutex::new(self.0.quotas()),
            place: Mutex::new(self.0.place().clone()),
            failures: LogBudget::new(1, Duration::from_secs(600)),
            most: *most,
            clock: Arc::clone(clock),
            state: Mutex::new(State {
                period,
                from,
                until,
                keys,
            }),
            saving: Mutex::new(()),
        };
        change(&mut shared);
        Self(Arc::new(shared))
    }

    /// Sets the quotas of all keys that have none of their own.
    pub fn set_quotas(&self, quotas: Quotas) {
        *self.0.lock_quotas() = quotas;
    }

    /// Sets when days and months begin. Where this day, or this month, has begun later by that than before, its counts begin
    /// anew; otherwise they go on.
    pub fn set_periods(&self, periods: Periods) {
        *self.0.lock_periods() = periods;
        let mut state = self.0.lock();
        // Looks again.
        state.until = state.from;
        drop(state);
        drop(self.0.state());
    }

    /// Sets the quotas of one key, until they are set anew; open tunnels have them at once.
    pub fn allow(&self, key: &K, quotas: Quotas) {
        let mut state = self.0.state();
        state.entry(key, self.0.most).own = Some(quotas);
    }

    /// Sets the quotas of all keys that are remembered. Where that is `None` they are those of all.
    pub fn allow_all(&self, quotas: impl Fn(&K) -> Option<Quotas>) {
        for (key, entry) in &mut self.0.state().keys {
            entry.own = quotas(key);
        }
    }

    /// Returns what a key has used of this day and of this month, in bytes, what its tunnels have taken ahead included.
    #[must_use]
    pub fn used(&self, key: &K) -> (u64, u64) {
        let state = self.0.state();
        let used = state.keys.get(key).map(Entry::used).unwrap_or_default();
        (used.day, used.month)
    }

    /// Returns how many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.state().keys.len()
    }

    /// Returns the `most` keys that have used the largest share of a quota, the fullest first: of the day's or of the
    /// month's, whichever is fuller. Looks at all keys.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<K>> {
        let mut fullest = Fullest::new(most);
        let quotas = self.0.quotas();
        for (key, entry) in &self.0.state().keys {
            let used = entry.used();
            let quotas = entry.own.unwrap_or(quotas);
            quotas.look(key, (used.day, used.month), &mut fullest);
        }
        fullest.into_vec()
    }
}

impl<K> Shared<K> {
    pub(super) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> Shared<K> {
    /// Returns the counts of today.
    pub(super) fn state(&self) -> MutexGuard<'_, State<K>> {
        let now = (self.clock)();
        let mut state = self.lock();
        if (state.from..state.until).contains(&now) {
            return state;
        }
        let is_set = now.duration_since(UNIX_EPOCH).is_ok_and(|it| it >= NEVER);
        if is_set {
            let (period, until) = self.lock_periods().at(now);
            state.begin(period);
            (state.from, state.until) = (now, until);
        }
        state
    }

    /// Takes up the counts of a file.
    pub(super) fn begin_with(&self, period: Period, used: HashMap<K, Used>) {
        let mut state = self.lock();
        let before = state.period;
        state.period = period;
        let entries = used.into_iter().map(|(key, saved)| {
            let entry = Entry {
                saved,
                ..Entry::default()
            };
            (key, entry)
        });
        state.keys = entries.collect();
        state.bound(self.most);
        let is_set = state
            .from
            .duration_since(UNIX_EPOCH)
            .is_ok_and(|it| it >= NEVER);
        if is_set {
            state.begin(before);
        } else {
            // Looks again once the clock is set.
            state.until = state.from;
        }
    }

    fn lock_periods(&self) -> MutexGuard<'_, Periods> {
        self.periods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn most(&self) -> usize {
        self.most
    }

    fn quotas(&self) -> Quotas {
        *self.lock_quotas()
    }

    fn lock_quotas(&self) -> MutexGuard<'_, Quotas> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> QuotaStore<K> for CalendarStore<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn take(&self, key: &K, bytes: u64) -> Share {
        let quotas = self.0.quotas();
        let mut state = self.0.state();
        let entry = state.entry(key, self.0.most);
        let taken = bytes.min(entry.left(quotas));
        entry.add(i64::try_from(taken).unwrap_or(i64::MAX));
        Share::Now(taken)
    }

    fn has_left(&self, key: &K) -> Share<bool> {
        let quotas = self.0.quotas();
        let state = self.0.state();
        let entry = state.keys.get(key).copied().unwrap_or_default();
        Share::Now(entry.left(quotas) > 0)
    }

    fn give_back(&self, key: &K, bytes: u64) {
        // Of a day that is over nothing is given back to the next one.
        if let Some(entry) = self.0.state().keys.get_mut(key) {
            let used = entry.used();
            let least = |bytes: u64, used: u64| i64::try_from(bytes.min(used)).unwrap_or(i64::MAX);
            entry.since.day = entry.since.day.saturating_sub(least(bytes, used.day));
            entry.since.month = entry.since.month.saturating_sub(least(bytes, used.month));
        }
    }
}

impl<K> Clone for CalendarStore<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for CalendarStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarStore")
            .field("path", &self.0.place().now)
            .finish_non_exhaustive()
    }
}
