//! Lookups that run, and those that have failed a moment ago.

use std::{
    collections::HashMap,
    hash::Hash,
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

/// What is looked up: a name, or an address.
pub(in crate::connector) trait Question:
    Clone + Eq + Hash + Send + Sync + 'static
{
    /// What is found: addresses, or names.
    type Found: Clone + Send + Sync + 'static;

    /// Returns the name for it in the DNS.
    fn name(&self) -> DomainName;
}

impl Question for DomainName {
    type Found = IpAddr;

    fn name(&self) -> DomainName {
        self.clone()
    }
}

impl Question for IpAddr {
    type Found = DomainName;

    fn name(&self) -> DomainName {
        DomainName::pointing_to(*self)
    }
}

/// What a lookup leads to: `T` are addresses, or names.
pub(super) type Outcome<T> = Result<Arc<[T]>, LookupError>;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connector) enum Source {
    /// A name server, which works then.
    NameServer,
    /// This machine, which says nothing about name servers.
    Here,
}

/// The answer to a lookup, or the kind of its error and what it came from.
pub(in crate::connector) type Answer<T> = Result<(Vec<T>, Source), (LookupErrorKind, BoxError)>;

/// The lookups of one resolver, of one kind: at most one for each name or address. Clones share them.
pub(super) struct Known<Q: Question>(Arc<Mutex<Names<Q>>>);

struct Names<Q: Question> {
    /// Each has a turn: they are bounded by these.
    running: HashMap<Q, Running<Q>>,
    failures: HashMap<Q, (LookupError, Instant)>,
    /// `None` where silence says nothing of the name servers.
    health: Option<Health>,
}

/// A lookup that runs, and who waits for it.
struct Running<Q: Question> {
    outcome: watch::Sender<Option<Outcome<Q::Found>>>,
    until: Instant,
}

/// What is known about a name or an address.
pub(super) enum Found<Q: Question> {
    Nothing,
    Running(Waiting<Q>),
    Failed(LookupError),
}

/// Waits for a lookup that runs.
pub(super) struct Waiting<Q: Question> {
    question: Q,
    outcome: watch::Receiver<Option<Outcome<Q::Found>>>,
    until: Instant,
}

/// A lookup to be done, which ends with its [answer](Self::answer). Dropped without one, others that wait
/// ask anew.
pub(in crate::connector) struct Asked<Q: Question> {
    question: Q,
    known: Known<Q>,
    turn: Turn,
    outcome: watch::Sender<Option<Outcome<Q::Found>>>,
}

impl<Q: Question> Known<Q> {
    pub(super) fn new(health: Option<Health>) -> Self {
        Self(Arc::new(Mutex::new(Names {
            running: HashMap::new(),
            failures: HashMap::new(),
            health,
        })))
    }

    pub(super) fn find(&self, question: &Q) -> Found<Q> {
        self.names().find(question)
    }

    /// Starts a lookup in this turn, unless it is known by now what to do without one.
    pub(super) fn start(
        &self,
        question: &Q,
        turn: Turn,
    ) -> Result<(Asked<Q>, Waiting<Q>), Found<Q>> {
        let mut names = self.names();
        match names.find(question) {
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
            question: question.clone(),
            outcome: receiver,
            until: running.until,
        };
        names.running.insert(question.clone(), running);
        drop(names);
        let asked = Asked {
            question: question.clone(),
            known: self.clone(),
            turn,
            outcome,
        };
        Ok((asked, waiting))
    }

    fn names(&self) -> MutexGuard<'_, Names<Q>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Question> Clone for Known<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: Question> Names<Q> {
    fn find(&mut self, question: &Q) -> Found<Q> {
        if let Some(running) = self.running.get(question) {
            return Found::Running(Waiting {
                question: question.clone(),
                outcome: running.outcome.subscribe(),
                until: running.until,
            });
        }
        match self.failures.get(question) {
            Some((error, until)) if Instant::now() < *until => Found::Failed(error.clone()),
            Some(_) => {
                self.failures.remove(question);
                Found::Nothing
            }
            None => Found::Nothing,
        }
    }

    /// Notes what a lookup has led to.
    fn judge(&mut self, question: &Q, key: &Key, answer: Answer<Q::Found>) -> Outcome<Q::Found> {
        let (kind, source) = match answer {
            Ok((found, source)) => {
                if let (Source::NameServer, Some(health)) = (source, &mut self.health) {
                    health.answered();
                }
                return Ok(found.into());
            }
            Err(failed) => failed,
        };
        let kind = match (kind, &mut self.health) {
            (LookupErrorKind::NotFound, Some(health)) => {
                health.answered();
                kind
            }
            (LookupErrorKind::NoAnswer, Some(health)) => health.unanswered(key, &question.name()),
            (kind, _) => kind,
        };
        let error = LookupError::new(question.name(), kind, Some(source));
        // What this machine lacks it may have in a moment, and an upstream may be there again.
        if !matches!(kind, LookupErrorKind::System | LookupErrorKind::Upstream) {
            self.remember(question, &error);
        }
        Err(error)
    }

    fn remember(&mut self, question: &Q, error: &LookupError) {
        let now = Instant::now();
        if self.failures.len() >= MOST_FAILURES {
            self.failures.retain(|_, (_, until)| now < *until);
        }
        if self.failures.len() < MOST_FAILURES {
            let entry = (error.clone(), now + FRESH);
            self.failures.insert(question.clone(), entry);
        }
    }
}

impl<Q: Question> Waiting<Q> {
    /// Waits for the outcome, until the lookup has taken too long; `None` if it has been given up.
    pub(super) async fn outcome(mut self) -> Option<Outcome<Q::Found>> {
        match timeout_at(self.until, self.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => None,
            Err(elapsed) => Some(Err(LookupError::new(
                self.question.name(),
                LookupErrorKind::NoAnswer,
                Some(elapsed.into()),
            ))),
        }
    }
}

impl<Q: Question> Asked<Q> {
    pub(in crate::connector) const fn question(&self) -> &Q {
        &self.question
    }

    /// Ends the lookup.
    pub(in crate::connector) fn answer(self, answer: Answer<Q::Found>) {
        let mut names = self.known.names();
        let outcome = names.judge(&self.question, self.turn.key(), answer);
        names.running.remove(&self.question);
        drop(names);
        self.outcome.send_replace(Some(outcome));
    }

    /// Waits until nobody waits for this lookup any more.
    pub(in crate::connector) async fn abandoned(&self) {
        self.outcome.closed().await;
    }
}

impl<Q: Question> Drop for Asked<Q> {
    fn drop(&mut self) {
        // Another lookup of this name may have begun once this one had its answer.
        let mut names = self.known.names();
        if let Some(running) = names.running.get(&self.question)
            && running.outcome.same_channel(&self.outcome)
        {
            names.running.remove(&self.question);
        }
    }
}
