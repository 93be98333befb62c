use std::borrow::Cow;

use super::{postings::RuleId, special_names::SpecialName, special_purpose::SpecialPurpose};
use crate::error::Refusal;

/// The effect of a decision: what becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// It is allowed.
    Allowed,
    /// It is allowed, and the log says that [`Action::Deny`](super::Action::Deny) would have refused
    /// it.
    Reported,
    /// It is refused with 02.
    Refused,
    /// It goes on for now: the rule that decides depends on the address, which is judged once it is
    /// known.
    Open,
}

/// What an effect follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Rule(RuleId),
    Default,
    /// The address is a special-purpose one, and no rule opens it.
    Special(&'static SpecialPurpose),
    /// The name is a special-purpose one that another resolver would resolve, and no rule opens it.
    SpecialName(&'static SpecialName),
    /// The address is one of the machine that the proxy runs on, and no rule opens it.
    OwnHost,
    /// The proxy itself listens at the address, and no rule opens it.
    SelfConnection,
    /// The rule denies a network, and nobody here will know the address.
    Unjudged(RuleId),
}

/// An effect and its reason, without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) effect: Effect,
    pub(super) reason: Reason,
}

/// The answer to "would this be allowed, and by which rule?": an effect and its reason.
///
/// Its text says so in a sentence, and for a refusal how to allow it.
#[derive(Clone, Debug)]
pub struct Decision {
    pub(super) decided: Decided,
    /// What the log calls the rule.
    pub(super) rule: Option<String>,
    /// What was asked for.
    pub(super) subject: String,
    /// What a rule has to state in `to` to allow it, where no other would.
    pub(super) required: Option<String>,
}

impl Decision {
    /// Returns what becomes of the request.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.decided.effect
    }

    /// Returns whether the request is refused.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.decided.effect, Effect::Refused)
    }

    /// Returns the number of the rule that decided, from 1, as log lines have it. `None` where no
    /// rule matched and the default decided, or where the address or the name is special-purpose, or
    /// the proxy's own.
    #[must_use]
    pub const fn rule(&self) -> Option<usize> {
        match self.decided.reason {
            Reason::Rule(id) | Reason::Unjudged(id) => Some(id as usize + 1),
            Reason::Default
            | Reason::Special(_)
            | Reason::SpecialName(_)
            | Reason::OwnHost
            | Reason::SelfConnection => None,
        }
    }

    /// Returns the special-purpose block that the address lies in, where that decided.
    #[must_use]
    pub const fn block(&self) -> Option<&'static SpecialPurpose> {
        match self.decided.reason {
            Reason::Special(block) => Some(block),
            Reason::Rule(_)
            | Reason::Unjudged(_)
            | Reason::Default
            | Reason::SpecialName(_)
            | Reason::OwnHost
            | Reason::SelfConnection => None,
        }
    }

    /// The refusal that the client gets.
    pub(super) fn refusal(&self) -> Refusal {
        let rule = match (&self.rule, self.decided.reason) {
            (Some(rule), _) => rule.clone().into(),
            (None, Reason::Special(_) | Reason::SpecialName(_)) => "special-purpose".into(),
            (None, Reason::OwnHost) => "own-host".into(),
            (None, Reason::SelfConnection) => "self-connection".into(),
            (None, Reason::Default | Reason::Rule(_) | Reason::Unjudged(_)) => {
                Cow::Borrowed("default")
            }
        };
        Refusal::not_allowed(self.to_string()).with_rule(rule)
    }
}
