use std::{fmt, sync::Arc};

use super::{Action, Rule, Rules, evaluate::Answer, explain::Decider, query::Question};
use crate::session::Request;

/// Rules in order that choose a value instead of deciding: which way a request goes, say.
///
/// The first rule that applies chooses; what it would do as one of [`Rules`] is of no account, and
/// every address is like any other. The request is judged as stated: a name is not resolved, so
/// networks in `to` apply to addresses only.
///
/// ```
/// use tower_socks::{
///     Request, proto::Command,
///     rules::{Action, RuleMap, Destination, Rule},
/// };
///
/// let onion = Rule::new(Action::Allow).to("*.onion".parse::<Destination>()?);
/// let mail = Rule::new(Action::Allow).port(25).user("postmaster");
/// let choices = RuleMap::new([(onion, "tor"), (mail, "relay")]);
///
/// let request = |target: &str| Request::new(Command::CONNECT, target.parse().unwrap());
/// assert_eq!(choices.choose(&request("Example.ONION.:80")), Some(&"tor"));
/// assert_eq!(choices.choose(&request("example.com:25")), None);
/// # Ok::<(), tower_socks::rules::InvalidCondition>(())
/// ```
pub struct RuleMap<T> {
    rules: Rules,
    values: Arc<[T]>,
}

impl<T> RuleMap<T> {
    /// Each rule with what it chooses.
    pub fn new(choices: impl IntoIterator<Item = (Rule, T)>) -> Self {
        let mut builder = Rules::builder(Action::Deny).allow_private();
        let mut values = Vec::new();
        for (mut rule, value) in choices {
            rule.action = Action::Allow;
            builder = builder.rule(rule);
            values.push(value);
        }
        Self {
            rules: builder.build(),
            values: values.into(),
        }
    }

    /// What the first rule that applies has chosen, if one does.
    #[must_use]
    pub fn choose(&self, request: &Request) -> Option<&T> {
        let question = Question::new(request, None, None).ok()?.handed_on();
        match self.rules.judge(&question) {
            Answer::Decided(Decider::Rule(id)) => self.values.get(id as usize),
            Answer::Decided(_) | Answer::Open(_) => None,
        }
    }

    /// All that can be chosen, in order.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }
}

impl<T> Clone for RuleMap<T> {
    fn clone(&self) -> Self {
        Self {
            rules: self.rules.clone(),
            values: Arc::clone(&self.values),
        }
    }
}

impl<T> fmt::Debug for RuleMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleMap({})", self.values.len())
    }
}
