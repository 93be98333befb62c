//! Whether an alternative is up or down, and until when it is left alone.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Classify, FailureClass};
use crate::{admission::Backoff, error::BoxError};

/// How long an alternative is not tried after failures in a row.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// What is known of one alternative.
#[derive(Debug)]
pub(super) struct State {
    name: Box<str>,
    classify: Classify,
    failures: Mutex<Failures>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    in_a_row: u32,
    /// Down until then.
    down_until: Option<Instant>,
}

impl State {
    pub(super) fn new(name: impl Into<Box<str>>, classify: Classify) -> Self {
        Self {
            name: name.into(),
            classify,
            failures: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Until when it is down, if it is.
    pub(super) fn down_until(&self) -> Option<Instant> {
        self.lock(|failures| failures.down_until.filter(|until| *until > Instant::now()))
    }

    /// Begins a request. Where the alternative has failed, that is one try: for all other requests it
    /// stays down for as long as its last failure took it.
    pub(super) fn begin(&self) {
        self.lock(|failures| {
            if failures.down_until.is_some() {
                failures.down_until = Instant::now().checked_add(BACKOFF.after(failures.in_a_row));
            }
        });
    }

    /// Records the outcome of a request. Returns whether another alternative might do better.
    pub(super) fn record<T>(&self, outcome: &Result<T, BoxError>) -> bool {
        let class = outcome
            .as_ref()
            .err()
            .map(|error| (self.classify.class(error), error));
        match class {
            Some((FailureClass::Request, _)) => true,
            Some((FailureClass::Alternative, error)) => {
                let in_a_row = self.lock(|failures| {
                    failures.in_a_row = failures.in_a_row.saturating_add(1);
                    failures.down_until =
                        Instant::now().checked_add(BACKOFF.after(failures.in_a_row));
                    failures.in_a_row
                });
                if in_a_row == 1 {
                    tracing::warn!(upstream = %self.name, %error, "upstream marked down");
                } else {
                    tracing::debug!(upstream = %self.name, failures = in_a_row, %error, "upstream still down");
                }
                true
            }
            Some((FailureClass::Target, _)) | None => {
                let failures = self.lock(std::mem::take).in_a_row;
                if failures > 0 {
                    tracing::info!(upstream = %self.name, failures, "upstream up again");
                }
                false
            }
        }
    }

    fn lock<T>(&self, change: impl FnOnce(&mut Failures) -> T) -> T {
        change(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
