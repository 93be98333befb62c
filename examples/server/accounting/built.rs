//! The accounting that is in force.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_socks::layer::{
    auth::radius::{Accounting, AccountingBuilder},
    record::Sink,
};

use crate::records::Records;

/// How long the program waits in the end until servers have taken what was done.
const LAST: Duration = Duration::from_secs(5);

/// What the file states of it.
#[derive(Clone)]
pub(crate) struct Stated {
    builder: AccountingBuilder,
    /// All of it, with the secret: by that a reload knows whether it is another one.
    text: String,
    summary: String,
}

impl Stated {
    /// `text` is all that is stated of it, and `summary` what an operator is shown.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn new(
        builder: AccountingBuilder,
        text: String,
        summary: String,
    ) -> Result<Self, String> {
        let built = builder.clone().build();
        built.map_err(|problem| problem.to_string())?;
        Ok(Self {
            builder,
            text,
            summary,
        })
    }
}

/// For `--check`.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)
    }
}

/// Without the secret.
impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.builder.fmt(f)
    }
}

/// What tells servers now. Clones share it.
#[derive(Clone)]
pub(crate) struct InForce(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    current: Option<(String, Accounting)>,
    /// Those of earlier files, whose sessions go on; the oldest are forgotten.
    before: VecDeque<Accounting>,
    /// What those that are forgotten have dropped.
    dropped: u64,
}

/// Those of earlier files that are looked at.
const BEFORE: usize = 16;

impl InForce {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Puts in force what is stated. Sessions that have begun go on telling those servers that they began with.
    pub(crate) fn change(&self, stated: Option<&Stated>, records: &Records) {
        let mut state = self.lock();
        let State {
            current,
            before,
            dropped,
        } = &mut *state;
        let same = |(text, _): &(String, Accounting)| Some(text) == stated.map(|new| &new.text);
        if current.as_ref().is_some_and(same) || (current.is_none() && stated.is_none()) {
            return;
        }
        // It was built when the file was read.
        let built = stated.and_then(|stated| {
            let accounting = stated.builder.clone().build().ok()?;
            Some((stated.text.clone(), accounting))
        });
        let sink = built.as_ref().map(|(_, accounting)| {
            tokio::spawn(accounting.run());
            Arc::new(accounting.clone()) as Arc<dyn Sink>
        });
        records.also("accounting", sink);
        if let Some((_, last)) = std::mem::replace(current, built) {
            before.push_back(last);
        }
        if before.len() > BEFORE
            && let Some(oldest) = before.pop_front()
        {
            *dropped += oldest.dropped();
        }
    }

    /// Tells servers that the proxy begins.
    pub(crate) fn begin(&self) {
        if let Some((_, accounting)) = &self.lock().current {
            accounting.begin();
        }
    }

    /// Records that wait, and those that were dropped.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        let current = state.current.iter().map(|(_, accounting)| accounting);
        let all = current.chain(&state.before);
        all.fold((0, state.dropped), |(waiting, dropped), one| {
            (waiting + one.waiting() as u64, dropped + one.dropped())
        })
    }

    /// Waits until servers have all that was done, for some seconds, and tells them that the proxy ends, unless another
    /// process goes on.
    pub(crate) async fn end(&self, goes_on: bool) {
        let accounting = self
            .lock()
            .current
            .as_ref()
            .map(|(_, accounting)| accounting.clone());
        let Some(accounting) = accounting else {
            return;
        };
        let left = match goes_on {
            true => accounting.flush(LAST).await,
            false => accounting.finish(LAST).await,
        };
        if left > 0 {
            tracing::warn!("RADIUS accounting: no server has taken the last {left} records");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
