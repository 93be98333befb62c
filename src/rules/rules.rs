use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::tz::TimeZone;

use super::{
    Action, Outcome, Rule, RulesBuilder, Verdict, destination::Kind, evaluate::Answer,
    explain::Decider, index::Index, query::Question,
};
use crate::{
    error::Refusal,
    session::{Policy, Request},
};

/// Rules in order, of which the first that applies decides. See the [module](super).
///
/// Clones share them.
#[derive(Clone)]
pub struct Rules(pub(super) Arc<Compiled>);

pub(super) struct Compiled {
    pub(super) default: Action,
    pub(super) allow_private: bool,
    pub(super) own: Vec<SocketAddr>,
    pub(super) zone: TimeZone,
    /// The groups of each user.
    pub(super) groups: HashMap<Box<str>, Vec<Box<str>>>,
    /// Without what is in the index.
    pub(super) rules: Vec<Rule>,
    pub(super) stated: Vec<Stated>,
    pub(super) index: Index,
    /// Whether any rule looks at the clock.
    pub(super) timed: bool,
}

/// Which conditions of a rule are in the index.
pub(super) struct Stated {
    pub(super) users: bool,
    pub(super) groups: bool,
    pub(super) clients: bool,
    pub(super) names: bool,
    pub(super) networks: bool,
}

impl Stated {
    pub(super) fn of(rule: &Rule) -> Self {
        let is_network =
            |destination: &super::Destination| matches!(destination.0, Kind::Network(_));
        Self {
            users: !rule.users.is_empty(),
            groups: !rule.groups.is_empty(),
            clients: !rule.clients.is_empty(),
            names: !rule.destinations.iter().all(is_network),
            networks: rule.destinations.iter().any(is_network),
        }
    }
}

impl Rules {
    /// Rules to add to, with what happens where none applies.
    #[must_use]
    pub fn builder(default: Action) -> RulesBuilder {
        RulesBuilder::new(default)
    }

    /// Would this request be allowed now, as stated, and by which rule?
    ///
    /// A name that is allowed is not the end of it: see
    /// [`explain_address`](Self::explain_address).
    #[must_use]
    pub fn explain(&self, request: &Request) -> Verdict {
        self.ask(request, None, None)
    }

    /// Would the request be allowed to use this address now, and by which rule?
    #[must_use]
    pub fn explain_address(&self, request: &Request, address: SocketAddr) -> Verdict {
        self.ask(request, Some(address), None)
    }

    /// The same at another time. `None` for the address asks about the request as stated.
    #[must_use]
    pub fn explain_at(
        &self,
        request: &Request,
        address: Option<SocketAddr>,
        time: SystemTime,
    ) -> Verdict {
        self.ask(request, address, Some(time))
    }

    fn ask(
        &self,
        request: &Request,
        address: Option<SocketAddr>,
        at: Option<SystemTime>,
    ) -> Verdict {
        self.verdict(request, address, self.answer(request, address, at))
    }

    fn answer(
        &self,
        request: &Request,
        address: Option<SocketAddr>,
        at: Option<SystemTime>,
    ) -> Answer {
        match Question::new(request, address, at) {
            Ok(question) => self.judge(&question),
            Err(problem) => Answer::Decided(Decider::NoName(problem)),
        }
    }

    /// Would the request's name be allowed to be handed to another proxy now, and by which rule?
    /// Networks in `to` are of no account then: nobody here knows the address.
    #[must_use]
    pub fn explain_name(&self, request: &Request) -> Verdict {
        self.verdict(request, None, self.answer_handed_on(request))
    }

    fn answer_handed_on(&self, request: &Request) -> Answer {
        match Question::new(request, None, None) {
            Ok(question) => self.judge(&question.handed_on()),
            Err(problem) => Answer::Decided(Decider::NoName(problem)),
        }
    }

    fn decide(&self, request: &Request, address: Option<SocketAddr>) -> Result<(), Refusal> {
        let answer = self.answer(request, address, None);
        match self.outcome(answer).0 {
            Outcome::Allowed | Outcome::Open => Ok(()),
            Outcome::Refused => Err(self.verdict(request, address, answer).refusal()),
            Outcome::Reported => {
                // Once: not again about each address of a name that was reported as stated.
                let reported = address.is_some()
                    && self.outcome(self.answer(request, None, None)).0 == Outcome::Reported;
                if !reported {
                    let verdict = self.verdict(request, address, answer);
                    tracing::info!(user = %request.identity, peer = %request.peer, "{verdict}");
                }
                Ok(())
            }
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.rules.len()
    }

    /// Whether there are none, so that the default decides.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.rules.is_empty()
    }
}

/// Everything is allowed but special-purpose addresses and the proxy's own.
impl Default for Rules {
    fn default() -> Self {
        Self::builder(Action::Allow).build()
    }
}

impl Policy for Rules {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.decide(request, None)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.decide(request, Some(address))
    }

    /// As [`check`](Policy::check), but for the networks in `to`, which say nothing about a name. What
    /// was reported then is not reported again.
    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        let answer = self.answer_handed_on(request);
        match self.outcome(answer).0 {
            Outcome::Allowed | Outcome::Open => Ok(()),
            Outcome::Refused => Err(self.verdict(request, None, answer).refusal()),
            Outcome::Reported => {
                if self.outcome(self.answer(request, None, None)).0 != Outcome::Reported {
                    let verdict = self.verdict(request, None, answer);
                    tracing::info!(user = %request.identity, peer = %request.peer, "{verdict}");
                }
                Ok(())
            }
        }
    }

    /// The minute, if there are rules that look at the clock.
    fn version(&self) -> u64 {
        if !self.0.timed {
            return 0;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs() / 60)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({})", self.len())
    }
}
