//! Lookups that run, and those that have failed a moment ago.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    health::Health,
    turns::{Key, Turn},
};
use crate::{
    error::{BoxError, LookupError, LookupErrorKind},
    proto::DomainName,
};

/// How long a lookup is waited for, from its start.
const LIMIT: Duration = Duration::from_secs(15);

/// How long a failure is remembered, and for how many names.
const FRESH: Duration = Duration::from_secs(5);
const MOST_FAILURES: usize = 1024;

/// What a lookup leads to.
pub(super) type Outcome = Result<Arc<[IpAddr]>, LookupError>;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A name server, which works then.
    NameServer,
    /// This machine, which says nothing about name servers.
    Here,
}

/// The answer to a lookup, or the kind of its error and what it came from.
pub(super) type Answer = Result<(Vec<IpAddr>, Source), (LookupErrorKind, BoxError)>;

/// The lookups of one resolver: at most one for each name. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<Names>>);

#[derive(Default)]
struct Names {
    /// Each has a turn: they are bounded by these.
    running: HashMap<DomainName, Running>,
    failures: HashMap<DomainName, (LookupError, Instant)>,
    health: Health,
}

/// A lookup that runs, and who waits for it.
#[derive(Clone)]
struct Running {
    outcome: watch::Sender<Option<Outcome>>,
    until: Instant,
}

/// What is known about a name.
pub(super) enum Found {
    Nothing,
    Running(Waiting),
    Failed(LookupError),
}

/// Waits for a lookup that runs.
pub(super) struct Waiting {
    name: DomainName,
    outcome: watch::Receiver<Option<Outcome>>,
    until: Instant,
}

/// A lookup to be done, which ends with its [answer](Self::answer). Dropped without one, others that wait
/// ask anew.
pub(super) struct Asked {
    name: DomainName,
    known: Known,
    turn: Turn,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Known {
    pub(super) fn find(&self, name: &DomainName) -> Found {
        self.names().find(name)
    }

    /// Starts a lookup in this turn, unless it is known by now what to do without one.
    pub(super) fn start(&self, name: &DomainName, turn: Turn) -> Result<(Asked, Waiting), Found> {
        let mut names = self.names();
        match names.find(name) {
            Found::Nothing => {}
            known => {
                drop(names);
                return Err(known);
            }
        }
        let (outcome, receiver) = watch::channel(None);
        let running = Running {
            outcome: outcome.clone(),
            until: Instant::now() + LIMIT,
        };
        let waiting = Waiting {
            name: name.clone(),
            outcome: receiver,
            until: running.until,
        };
        names.running.insert(name.clone(), running);
        drop(names);
        let asked = Asked {
            name: name.clone(),
            known: self.clone(),
            turn,
            outcome,
        };
        Ok((asked, waiting))
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn find(&mut self, name: &DomainName) -> Found {
        if let Some(running) = self.running.get(name) {
            return Found::Running(Waiting {
                name: name.clone(),
                outcome: running.outcome.subscribe(),
                until: running.until,
            });
        }
        match self.failures.get(name) {
            Some((error, until)) if Instant::now() < *until => Found::Failed(error.clone()),
            Some(_) => {
                self.failures.remove(name);
                Found::Nothing
            }
            None => Found::Nothing,
        }
    }

    /// Notes what a lookup has led to.
    fn judge(&mut self, name: &DomainName, key: &Key, answer: Answer) -> Outcome {
        let (kind, source) = match answer {
            Ok((addresses, source)) => {
                if source == Source::NameServer {
                    self.health.answered();
                }
                return Ok(addresses.into());
            }
            Err(failed) => failed,
        };
        let kind = match kind {
            LookupErrorKind::NotFound => {
                self.health.answered();
                kind
            }
            LookupErrorKind::NoAnswer => self.health.unanswered(key, name),
            LookupErrorKind::NameServers | LookupErrorKind::System => kind,
        };
        let error = LookupError::new(name.clone(), kind, Some(source));
        // What this machine lacks it may have in a moment.
        if kind != LookupErrorKind::System {
            self.remember(&error);
        }
        Err(error)
    }

    fn remember(&mut self, error: &LookupError) {
        let now = Instant::now();
        if self.failures.len() >= MOST_FAILURES {
            self.failures.retain(|_, (_, until)| now < *until);
        }
        if self.failures.len() < MOST_FAILURES {
            let entry = (error.clone(), now + FRESH);
            self.failures.insert(error.name().clone(), entry);
        }
    }
}

impl Waiting {
    /// Waits for the outcome, until the lookup has taken too long; `None` if it has been given up.
    pub(super) async fn outcome(mut self) -> Option<Outcome> {
        match timeout_at(self.until, self.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => None,
            Err(elapsed) => Some(Err(LookupError::new(
                self.name,
                LookupErrorKind::NoAnswer,
                Some(elapsed.into()),
            ))),
        }
    }
}

impl Asked {
    pub(super) const fn name(&self) -> &DomainName {
        &self.name
    }

    /// Ends the lookup.
    pub(super) fn answer(self, answer: Answer) {
        let mut names = self.known.names();
        let outcome = names.judge(&self.name, self.turn.key(), answer);
        names.running.remove(&self.name);
        drop(names);
        self.outcome.send_replace(Some(outcome));
    }

    /// Waits until nobody waits for this lookup any more.
    #[cfg(feature = "hickory")]
    pub(super) async fn abandoned(&self) {
        self.outcome.closed().await;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Another lookup of this name may have begun once this one had its answer.
        let mut names = self.known.names();
        if let Some(running) = names.running.get(&self.name)
            && running.outcome.same_channel(&self.outcome)
        {
            names.running.remove(&self.name);
        }
    }
}
