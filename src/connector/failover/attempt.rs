//! A request to an alternative, from its begin to its record.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Classify, FailureClass, down::State};
use crate::error::{BoxError, Chain};

/// A request that is dropped after so long has waited in vain: the client or a `timeout` had enough.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request to an alternative, until its outcome is recorded. One that is dropped without an
/// outcome after some time counts as silence.
#[derive(Debug)]
pub(super) struct Attempt {
    state: Arc<State>,
    classify: Classify,
    begun: Instant,
    /// The alternative has answered something.
    heard: bool,
    recorded: bool,
}

impl Attempt {
    /// Begins a request. Where the alternative has failed, that is one try: for all other requests it
    /// stays down for as long as its last failure took it.
    pub(super) fn begin(state: &Arc<State>, classify: Classify) -> Self {
        let begun = Instant::now();
        state.tried(begun);
        Self {
            state: Arc::clone(state),
            classify,
            begun,
            heard: false,
            recorded: false,
        }
    }

    /// Records the outcome, of which the log may have a warning. Returns whether another alternative
    /// might do better.
    pub(super) fn record<T>(&mut self, outcome: &Result<T, BoxError>, is_warned: bool) -> bool {
        self.recorded = true;
        let Err(error) = outcome else {
            self.state.answered();
            return false;
        };
        match self.classify.class(error) {
            FailureClass::Alternative => self.state.failed(&Chain(&**error), is_warned),
            FailureClass::Silent => self.silent(&Chain(&**error), is_warned),
            FailureClass::Request => {}
            FailureClass::Target => {
                self.state.answered();
                return false;
            }
        }
        true
    }

    /// Notes whether the alternative has answered something, if not yet the request.
    pub(super) const fn hears(&mut self, anything: bool) {
        self.heard = anything;
    }

    /// Records that the request was not answered within this time.
    pub(super) fn time_out(&mut self, limit: Duration) {
        self.recorded = true;
        self.silent(&format_args!("no answer within {limit:?}"), false);
    }

    /// One that has answered others meanwhile is up: the target of this request is silent, and clients
    /// choose targets.
    fn silent(&self, error: &dyn fmt::Display, is_warned: bool) {
        if !self.state.has_answered_since(self.begun) {
            self.state.failed(error, is_warned);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let waited = self.begun.elapsed();
        // Of one that speaks to us, a client that goes says only that the target is silent, which clients choose.
        if !self.recorded && !self.heard && waited >= PATIENCE {
            self.silent(&format_args!("no answer within {waited:?}"), false);
        }
    }
}
