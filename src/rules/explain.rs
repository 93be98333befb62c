//! Decisions in words.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{
    compiled::Compiled,
    decision::{Decided, Decision, Effect, Reason},
    postings::RuleId,
    query::Query,
    rule::Rule,
    special_purpose,
};
use crate::{
    error::Escaped,
    proto::Address,
    session::{Check, Request},
};

impl Compiled {
    /// Says in words what was decided about a request, or about an address for it.
    pub(super) fn explain(&self, request: &Request, check: Check, decided: Decided) -> Decision {
        let rule = match decided.reason {
            Reason::Rule(id) | Reason::Unjudged(id) => Some(self.rule_text(id)),
            Reason::Default
            | Reason::Special(_)
            | Reason::SpecialName(_)
            | Reason::SelfConnection
            | Reason::OwnHost => None,
        };
        let required = match decided.effect {
            Effect::Refused => {
                self.required_destination(&Query::new(request, check, None, &self.nat64))
            }
            Effect::Allowed | Effect::Reported | Effect::Open => None,
        };
        Decision {
            decided,
            rule,
            subject: subject(request, check.address()),
            required,
        }
    }

    pub(super) fn rule_text(&self, id: RuleId) -> String {
        let number = (id as usize).saturating_add(1);
        rule_text(number, self.rules.get(id as usize).and_then(Rule::name))
    }

    /// What an allow rule has to state in `to`, as TOML has it, to open an address that no other
    /// rule opens.
    fn required_destination(&self, query: &Query<'_>) -> Option<String> {
        let protections = self.protections(query);
        if protections.name.is_some() {
            return query.name.map(|name| format!("{:?}", name.as_str()));
        }
        let forms = query.forms.filter(|_| protections.any())?;
        let is_special = |form| form != forms.written || forms.is_written_special;
        let stated = |form: IpAddr| match special_purpose::block(form) {
            Some(block)
                if protections.own.is_none() && is_special(form) && !block.is_reserved() =>
            {
                block.network().to_owned()
            }
            _ => form.to_string(),
        };
        let mut needed: Vec<String> = forms.embedded.into_iter().flatten().map(stated).collect();
        if needed.is_empty() || forms.is_written_special {
            needed.push(stated(forms.written));
        }
        needed.dedup();
        Some(match &*needed {
            [one] => format!("{one:?}"),
            several => format!("{several:?}"),
        })
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

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        let by = self.rule.as_deref().unwrap_or("default");
        let opening = match &self.required {
            Some(to) => &*format!("action = \"allow\" and to = {to}"),
            None => "action = \"allow\"",
        };
        let Decided { effect, reason } = self.decided;
        match (effect, reason) {
            (Effect::Allowed, _) => write!(f, "{subject} is allowed by {by}"),
            (Effect::Reported, _) => write!(
                f,
                "{subject} is allowed and reported by {by}: with \"deny\" it would be refused"
            ),
            (Effect::Open, _) => write!(
                f,
                "{subject} may be allowed by {by}, depending on the address"
            ),
            (Effect::Refused, Reason::Rule(_)) => write!(
                f,
                "{subject} is refused by {by}; a rule before it with {opening} would allow it"
            ),
            (Effect::Refused, Reason::Unjudged(_)) => write!(
                f,
                "{subject} is refused, since {by} is about addresses and an upstream would resolve \
                 the name; a rule before it with action = \"allow\" and the name in `to` would allow \
                 it, and {ALLOW_UNRESOLVED} everything of that kind"
            ),
            (Effect::Refused, Reason::Default) => write!(
                f,
                "{subject} is refused by default, since no rule matches; a rule with {opening} \
                 would allow it"
            ),
            (Effect::Refused, Reason::Special(block)) => write!(
                f,
                "{subject} is refused as special-purpose: {block}; a rule with {opening} would \
                 allow it, and {ALLOW_PRIVATE} everything of that kind"
            ),
            (Effect::Refused, Reason::SpecialName(name)) => write!(
                f,
                "{subject} is refused as special-purpose: {name}, which an upstream would resolve by \
                 its own network; a rule with {opening} would allow it, and {ALLOW_PRIVATE} \
                 everything of that kind"
            ),
            (Effect::Refused, Reason::OwnHost) => write!(
                f,
                "{subject} is refused as the proxy's own host; a rule with {opening} would allow it, \
                 and {ALLOW_PRIVATE} everything of that kind"
            ),
            (Effect::Refused, Reason::SelfConnection) => write!(
                f,
                "{subject} is refused as a self-connection, since the proxy listens there; a rule \
                 with {opening} would allow it, and {ALLOW_PRIVATE} everything of that kind"
            ),
        }
    }
}

/// How names that cannot be judged are allowed.
const ALLOW_UNRESOLVED: &str = "allow_unresolved = true";

/// How special-purpose addresses and self-connections are allowed. The reader of the log has written a file, or a
/// program, where the method is called as the field is.
const ALLOW_PRIVATE: &str = "allow_private = true";

/// What the log calls a rule.
pub(super) fn rule_text(number: usize, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("rule {number} ({})", Escaped(name)),
        None => format!("rule {number}"),
    }
}
