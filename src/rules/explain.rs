use std::{borrow::Cow, fmt, net::SocketAddr};

use super::{
    Action, Rules, evaluate::Answer, postings::RuleId, query::Question,
    special_purpose::SpecialPurpose,
};
use crate::{
    error::Refusal,
    proto::{Address, InvalidName},
    session::Request,
};

/// What it was that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decider {
    Rule(RuleId),
    Default,
    /// The address is a special-purpose one, and no rule opens it.
    Special(&'static SpecialPurpose),
    /// The address is the proxy's own, and no rule opens it.
    Own,
    /// The name is none.
    NoName(InvalidName),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It passes.
    Allowed,
    /// It passes, and the log says that [`Action::Deny`] would have refused it.
    Reported,
    /// It is refused with 02.
    Refused,
    /// It passes for now: the rule that decides depends on the address, which is asked about
    /// once it is known.
    Open,
}

/// The answer to "would this be allowed, and by which rule?".
///
/// Its text says so in a sentence, and for a refusal how to allow it.
#[derive(Clone, Debug)]
pub struct Verdict {
    outcome: Outcome,
    decider: Decider,
    rule: Option<String>,
    subject: String,
    /// What a rule has to state in `to` to allow it, where no other would.
    opened_by: Option<String>,
}

impl Verdict {
    /// What becomes of the request.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the request is refused.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused)
    }

    /// The number of the rule that decided, from 1, as log lines have it. `None` where no rule
    /// applied and the default decided, or the address is special-purpose or the proxy's own.
    #[must_use]
    pub const fn rule(&self) -> Option<usize> {
        match self.decider {
            Decider::Rule(id) => Some(id as usize + 1),
            Decider::Default | Decider::Special(_) | Decider::Own | Decider::NoName(_) => None,
        }
    }

    /// The special-purpose block that the address lies in, where that decided.
    #[must_use]
    pub const fn block(&self) -> Option<&'static SpecialPurpose> {
        match self.decider {
            Decider::Special(block) => Some(block),
            Decider::Rule(_) | Decider::Default | Decider::Own | Decider::NoName(_) => None,
        }
    }

    pub(super) fn refusal(&self) -> Refusal {
        let by = match (&self.rule, self.decider) {
            (Some(rule), _) => rule.clone().into(),
            (None, Decider::Special(_)) => "special-purpose".into(),
            (None, Decider::Own) => "own address".into(),
            (None, Decider::NoName(_)) => "no name".into(),
            (None, Decider::Default | Decider::Rule(_)) => Cow::Borrowed("default"),
        };
        Refusal::not_allowed(self.to_string()).with_rule(by)
    }
}

impl Rules {
    /// What an answer comes to.
    pub(super) fn outcome(&self, answer: Answer) -> (Outcome, Decider) {
        let action = match answer {
            Answer::Open(id) => return (Outcome::Open, Decider::Rule(id)),
            Answer::Decided(Decider::Rule(id)) => {
                self.0.rules.get(id as usize).map(super::Rule::action)
            }
            Answer::Decided(Decider::Default) => Some(self.0.default),
            Answer::Decided(Decider::Special(_) | Decider::Own | Decider::NoName(_)) => None,
        };
        let outcome = match action {
            Some(Action::Allow) => Outcome::Allowed,
            Some(Action::Report) => Outcome::Reported,
            Some(Action::Deny) | None => Outcome::Refused,
        };
        let Answer::Decided(decider) = answer else {
            return (outcome, Decider::Default);
        };
        (outcome, decider)
    }

    pub(super) fn verdict(
        &self,
        request: &Request,
        address: Option<SocketAddr>,
        answer: Answer,
    ) -> Verdict {
        let (outcome, decider) = self.outcome(answer);
        let rule = match decider {
            Decider::Rule(id) => Some(self.rule_text(id)),
            Decider::Default | Decider::Special(_) | Decider::Own | Decider::NoName(_) => None,
        };
        let opened_by = match (outcome, Question::new(request, address, None)) {
            (Outcome::Refused, Ok(question)) => self.opened_by(&question),
            _ => None,
        };
        Verdict {
            outcome,
            decider,
            rule,
            subject: subject(request, address),
            opened_by,
        }
    }

    fn rule_text(&self, id: RuleId) -> String {
        let number = id + 1;
        match self.0.rules.get(id as usize).and_then(super::Rule::name) {
            Some(name) => format!("rule {number} ({name})"),
            None => format!("rule {number}"),
        }
    }
}

/// `CONNECT example.com:443`, and the address where it is another one.
fn subject(request: &Request, address: Option<SocketAddr>) -> String {
    let command = request.command;
    match (request.destination(), address) {
        (Some(target), Some(address)) if *target == Address::Ip(address) => {
            format!("{command} {target}")
        }
        (Some(target), Some(address)) => format!("{command} {target} at {address}"),
        (Some(target), None) => format!("{command} {target}"),
        (None, Some(address)) => format!("{command} {address}"),
        (None, None) => command.to_string(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        let by = self.rule.as_deref().unwrap_or("default");
        let opening = match &self.opened_by {
            Some(to) => &*format!("action = \"allow\" and to = {to}"),
            None => "action = \"allow\"",
        };
        match (self.outcome, self.decider) {
            (Outcome::Allowed, _) => write!(f, "{subject} is allowed by {by}"),
            (Outcome::Reported, _) => {
                write!(
                    f,
                    "{subject} is let pass and reported by {by}, which would refuse it"
                )
            }
            (Outcome::Open, _) => {
                write!(
                    f,
                    "{subject} may be allowed by {by}, depending on the address"
                )
            }
            (Outcome::Refused, Decider::Rule(_)) => {
                write!(
                    f,
                    "{subject} is refused by {by}; a rule before it with {opening} would allow it"
                )
            }
            (Outcome::Refused, Decider::Default) => write!(
                f,
                "{subject} is refused by default, since no rule applies; a rule with {opening} \
                 would allow it"
            ),
            (Outcome::Refused, Decider::Special(block)) => write!(
                f,
                "{subject} is refused as special-purpose: {block}; a rule with {opening} would \
                 allow it, and allow_private everything of that kind"
            ),
            (Outcome::Refused, Decider::Own) => write!(
                f,
                "{subject} is refused as the proxy's own address; a rule with {opening} would \
                 allow it"
            ),
            (Outcome::Refused, Decider::NoName(problem)) => {
                write!(
                    f,
                    "{subject} is refused, since nobody can judge it: {problem}"
                )
            }
        }
    }
}
