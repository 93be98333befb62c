//! Reading and saving the counts.

use std::{
    collections::HashMap,
    hash::Hash,
    io,
    path::{Path, PathBuf},
    sync::PoisonError,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use super::{
    CalendarStore, QuotaKey,
    counts::{Since, bound},
    file::{self, Lock, Used, Written},
    period::Period,
    place::Place,
};

impl<K> CalendarStore<K>
where
    K: QuotaKey + Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Counts in a file from here on, and takes up what it says. It is written by [`save`](Self::save) and
    /// [`keep_saved`](Self::keep_saved). Two more lie beside it: one while it is written, and one with which processes lock
    /// it (`.lock`).
    ///
    /// Reads the file: not for the middle of a task.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or nothing can be written beside it. One that is damaged is moved aside.
    pub fn open(self, path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let store = self.with(|_| ());
        *store.0.place() = Place {
            now: Some(path.clone()),
            next: Some(path.clone()),
        };
        // On a full disk there is no room for the lock: what stands in its place is whole all the same.
        let _lock = match Lock::take(&path) {
            Err(error) if is_full(&error) => None,
            lock => Some(lock?),
        };
        if let Some(Written { period, used }) = read(&path)? {
            store.0.begin_with(period, used);
        }
        Ok(store)
    }

    /// Counts in another file from the next [save](Self::save) on, or in memory alone. Nothing is read or written before
    /// that. What was counted until then is saved in the file before, and goes on to count: where the new file says more of a
    /// key, that counts.
    pub fn set_file(&self, path: Option<PathBuf>) {
        self.0.place().next = path;
    }

    /// Saves what was counted since the last time, if anything was, and takes up what other processes have counted. Returns
    /// whether the file was written. Blocks its thread.
    ///
    /// # Errors
    ///
    /// The file cannot be written. Nothing is lost: the next time saves it as well.
    pub fn save(&self) -> io::Result<bool> {
        let _turn = self.0.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let Place { now, next } = self.0.place().clone();
        if now != next {
            self.move_on(now.as_deref(), next.as_deref())?;
            self.0.place().now.clone_from(&next);
        }
        next.as_deref().map_or(Ok(false), |path| self.save_in(path))
    }

    /// Leaves one file for another.
    fn move_on(&self, now: Option<&Path>, next: Option<&Path>) -> io::Result<()> {
        // Where the one before cannot be written, which may be why there is another one, nothing is lost for this one.
        if let Some(now) = now
            && let Err(error) = self.save_in(now)
        {
            tracing::warn!(file = %now.display(), %error, "quotas cannot be saved in the file before");
        }
        let Some(next) = next else { return Ok(()) };
        let _lock = Lock::take(next)?;
        let written = read(next)?;
        let mut state = self.0.state();
        let mut used = written.map_or_else(HashMap::new, |file| used_since(state.period, file));
        for (key, entry) in &mut state.keys {
            let known = entry.used();
            entry.saved = used.remove(key).unwrap_or_default();
            let more = |known: u64, saved: u64| {
                i64::try_from(known.saturating_sub(saved)).unwrap_or(i64::MAX)
            };
            entry.since = Since {
                day: more(known.day, entry.saved.day),
                month: more(known.month, entry.saved.month),
            };
        }
        for (key, saved) in used {
            state.keys.entry(key).or_default().saved = saved;
        }
        state.bound(self.0.most());
        Ok(())
    }

    fn save_in(&self, path: &Path) -> io::Result<bool> {
        if self
            .0
            .state()
            .keys
            .values()
            .all(|it| it.since == Since::default())
        {
            return Ok(false);
        }
        let _lock = Lock::take(path)?;
        let written = read(path)?;
        let (written, since) = self.add(written);
        file::write(path, &written)?;
        self.saved(&written, since);
        Ok(true)
    }

    /// Saves every so often, for as long as it is polled: so much of what was counted a crash loses at most, 10 s for
    /// example. At the end call [`save`](Self::save) once more.
    ///
    /// Dropping it leaves a save that has begun to its thread.
    pub async fn keep_saved(&self, every: Duration) {
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            ticks.tick().await;
            let store = self.clone();
            let saved = tokio::task::spawn_blocking(move || store.save()).await;
            match saved.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(is_written) => {
                    if is_written && std::mem::take(&mut failed) {
                        tracing::info!(file = self.file(), "quotas are saved again");
                    }
                }
                Err(error) => {
                    failed = true;
                    if let Some(before) = self.0.failures.take() {
                        let suppressed = before.field();
                        tracing::warn!(
                            file = self.file(),
                            %error,
                            suppressed,
                            "quotas cannot be saved: they are counted in memory, and begin anew with a restart"
                        );
                    }
                }
            }
        }
    }

    /// The file, for the log.
    fn file(&self) -> Option<impl tracing::Value> {
        let path = self.0.place().next.clone();
        path.map(|path| tracing::field::display(path.display().to_string()))
    }

    /// Adds what was counted here to what the file says, as far as that is of this day or month.
    fn add(&self, file: Option<Written<K>>) -> (Written<K>, HashMap<K, Since>) {
        let state = self.0.state();
        let period = state.period;
        let mut used = HashMap::new();
        if let Some(file) = file {
            used = used_since(period, file);
        } else {
            // A file that is gone is written anew from what is known.
            let known = state.keys.iter().map(|(key, it)| (key.clone(), it.saved));
            used.extend(known);
        }
        let mut since = HashMap::new();
        for (key, entry) in &state.keys {
            if entry.since == Since::default() {
                continue;
            }
            let Used { day, month } = used.entry(key.clone()).or_default();
            *day = day.saturating_add_signed(entry.since.day);
            *month = month.saturating_add_signed(entry.since.month);
            since.insert(key.clone(), entry.since);
        }
        used.retain(|_, used| !used.is_nothing());
        // As in memory: keys that were forgotten there stay in the file, and there would be more and more of them.
        bound(&mut used, self.0.most(), |used| used.month);
        (Written { period, used }, since)
    }

    /// Notes what the file says now.
    fn saved(&self, written: &Written<K>, since: HashMap<K, Since>) {
        let mut state = self.0.state();
        let (day, month) = (
            state.period.day <= written.period.day,
            state.period.month <= written.period.month,
        );
        for (key, since) in since {
            if let Some(entry) = state.keys.get_mut(&key) {
                entry.since.day -= if day { since.day } else { 0 };
                entry.since.month -= if month { since.month } else { 0 };
            }
        }
        for (key, used) in &written.used {
            let entry = state.keys.entry(key.clone()).or_default();
            entry.saved.day = if day { used.day } else { 0 };
            entry.saved.month = if month { used.month } else { 0 };
        }
        state.bound(self.0.most());
    }
}

/// What a file says of a period.
fn used_since<K>(period: Period, file: Written<K>) -> HashMap<K, Used> {
    // One of a later day was written before the clock was set back, and begins nothing anew.
    let (day, month) = (
        file.period.day >= period.day,
        file.period.month >= period.month,
    );
    let mut used = file.used;
    for used in used.values_mut() {
        used.day *= u64::from(day);
        used.month *= u64::from(month);
    }
    used
}

/// Reads a file. One that is damaged is moved aside, and is as none.
fn read<K: QuotaKey + Hash + Eq>(path: &Path) -> io::Result<Option<Written<K>>> {
    match file::read(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let aside = file::move_aside(path)?;
            tracing::warn!(
                file = %path.display(),
                %error,
                aside = %aside.display(),
                "the file of quotas is damaged, and was moved aside: quotas begin anew"
            );
            Ok(None)
        }
        read => read,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
