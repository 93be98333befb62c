use std::{fmt, sync::Arc};

use super::{
    builder::RulesBuilder,
    error::Undecided,
    rule::{Action, Rule},
    rules::Rules,
};
use crate::session::{Check, Request};

/// Maps a request to a value by rules in order: to its route, say.
///
/// The first rule that matches chooses; what it would do as one of [`Rules`] is of no account, and
/// every address is like any other. The request is judged as stated: a name is not resolved, so
/// networks in `to` match addresses only.
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
/// assert_eq!(choices.choose(&request("Example.ONION.:80"))?, Some(&"tor"));
/// assert_eq!(choices.choose(&request("example.com:25"))?, None);
///
/// // Datagrams may go anywhere.
/// let udp = Request::new(Command::UDP_ASSOCIATE, "0.0.0.0:0".parse()?);
/// assert!(choices.choose(&udp).is_err());
/// # Ok::<(), tower_socks::BoxError>(())
/// ```
pub struct RuleMap<T> {
    rules: Rules,
    values: Arc<[T]>,
}

impl<T> RuleMap<T> {
    /// Maps what each rule matches to a value.
    pub fn new(choices: impl IntoIterator<Item = (Rule, T)>) -> Self {
        Self::of(Rules::builder(Action::Deny), choices)
    }

    /// Maps by rules that know the groups, the time zone and the NAT64 prefixes of others; what those others decide and
    /// protect is of no account.
    ///
    /// ```
    /// use tower_socks::{Identity, Request, Rules, proto::Command, rules::{Action, Rule, RuleMap}};
    ///
    /// let acl = Rules::builder(Action::Deny).group("staff", ["joe"]);
    /// let routes = RuleMap::like(&acl, [(Rule::new(Action::Allow).group("staff"), "office")]);
    ///
    /// let mut request = Request::new(Command::CONNECT, "example.com:80".parse()?);
    /// request.identity = Identity::named("joe");
    /// assert_eq!(routes.choose(&request)?, Some(&"office"));
    /// # Ok::<(), tower_socks::BoxError>(())
    /// ```
    pub fn like(rules: &RulesBuilder, choices: impl IntoIterator<Item = (Rule, T)>) -> Self {
        Self::of(rules.conditions(), choices)
    }

    fn of(builder: RulesBuilder, choices: impl IntoIterator<Item = (Rule, T)>) -> Self {
        let mut builder = builder.allow_private();
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

    /// Chooses the value of the first rule that matches, if one does.
    ///
    /// # Errors
    ///
    /// When that cannot be known: an earlier rule states a destination, and the request is one
    /// [without](Request::destination).
    pub fn choose(&self, request: &Request) -> Result<Option<&T>, Undecided> {
        let choice = self.rules.choose(request, Check::Stated);
        if choice.is_undecided {
            return Err(Undecided(()));
        }
        Ok(choice.index.and_then(|index| self.values.get(index)))
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Lists all that can be chosen, in order.
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
