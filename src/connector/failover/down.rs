//! How a way does.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Classify, FailureClass};
use crate::error::BoxError;

/// How long a way is left alone after its first failure. Twice that after the next one.
const SHORTEST: Duration = Duration::from_secs(1);

/// And never longer than this.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct State {
    name: Box<str>,
    pub(super) blame: Classify,
    down: Mutex<Down>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Down {
    /// Failures in a row.
    failures: u32,
    /// Not to be tried before.
    until: Option<Instant>,
}

impl State {
    pub(super) fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            blame: Classify::default(),
            down: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Until when it is to be left alone, if it is.
    pub(super) fn down_until(&self) -> Option<Instant> {
        self.look(|down| down.until.filter(|until| *until > Instant::now()))
    }

    /// Lets one who asks try a way that was down; for everybody else it stays down as long as its
    /// last failure took it.
    pub(super) fn try_again(&self) {
        self.look(|down| {
            if down.until.is_some() {
                down.until = Instant::now().checked_add(pause(down.failures));
            }
        });
    }

    /// Takes note of how a request went. Says whether another way might do better.
    pub(super) fn note<T>(&self, outcome: &Result<T, BoxError>) -> bool {
        match outcome {
            Err(error) if self.blame.ask(error) == FailureClass::Request => true,
            Err(error) if self.blame.ask(error) == FailureClass::Way => {
                let failures = self.look(|down| {
                    down.failures = down.failures.saturating_add(1);
                    down.until = Instant::now().checked_add(pause(down.failures));
                    down.failures
                });
                if failures == 1 {
                    tracing::warn!(way = %self.name, %error, "way is down");
                } else {
                    tracing::debug!(way = %self.name, failures, %error, "way is still down");
                }
                true
            }
            Ok(_) | Err(_) => {
                let was = self.look(std::mem::take);
                if was.failures > 0 {
                    tracing::info!(way = %self.name, failures = was.failures, "way is up again");
                }
                false
            }
        }
    }

    fn look<T>(&self, look: impl FnOnce(&mut Down) -> T) -> T {
        look(&mut self.down.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(1).min(16);
    SHORTEST.saturating_mul(1 << doubled).min(LONGEST)
}
