use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;

use super::{
    compiled::{Compiled, Stated},
    error::{InvalidCondition, InvalidRule},
    index::Index,
    nat64::Nat64,
    network::Network,
    rule::{Action, Rule},
    rules::Rules,
    schedule::{Zone, system_zone},
};
use crate::admission::LogBudget;

/// The users of each group.
pub(super) type Groups = BTreeMap<Box<str>, Vec<Box<str>>>;

/// Lines of reports at once, and one in each such time from then on.
const REPORTS: u32 = 100;
const REPORTS_EVERY: Duration = Duration::from_millis(100);

/// Builds [`Rules`], in code or from a file.
///
/// A file can be read as [`Rules`] at once. Reading this instead allows to add to a file, or to
/// [check](Self::check_names) it against a list of users.
///
/// ```
/// use tower_socks::rules::RulesBuilder;
///
/// let file = r#"
///     default = "allow"
///     rules = [{ action = "deny", user = "jo", port = 25 }]
/// "#;
/// let builder: RulesBuilder = toml::from_str(file)?;
///
/// let problem = builder.check_names(|user| user == "joe").unwrap_err();
/// assert_eq!(problem.to_string(), "rule 1, user: there is no user `jo`");
/// assert_eq!(problem.location(), ["rules", "0", "user"]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RulesBuilder {
    default: Action,
    allow_private: bool,
    allow_unresolved: bool,
    listening: Vec<SocketAddr>,
    own: Vec<Network>,
    nat64: Vec<Nat64>,
    zone: Option<TimeZone>,
    /// The users of each group. `None` leaves groups to the identities.
    groups: Option<Arc<Groups>>,
    rules: Vec<Rule>,
}

impl RulesBuilder {
    pub(super) const fn new(default: Action) -> Self {
        Self {
            default,
            allow_private: false,
            allow_unresolved: false,
            listening: Vec::new(),
            own: Vec::new(),
            nat64: Vec::new(),
            zone: None,
            groups: None,
            rules: Vec::new(),
        }
    }

    /// Returns the rules so far, in order.
    #[must_use]
    pub fn rule_list(&self) -> &[Rule] {
        &self.rules
    }

    /// Appends a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the groups, and there are no others, even if these are none.
    pub(super) fn groups(mut self, groups: Groups) -> Self {
        self.groups = Some(Arc::new(groups));
        self
    }

    /// Sets the rules, as they are: there may be a million.
    pub(super) fn rules(mut self, rules: Vec<Rule>) -> Self {
        self.rules = rules;
        self
    }

    pub(super) const fn is_private_allowed(&self) -> bool {
        self.allow_private
    }

    pub(super) fn stated_rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Replaces the rules, and keeps all else: to [check](Self::check_names) others by the same groups.
    #[must_use]
    pub fn with_rules(self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules(rules.into_iter().collect())
    }

    /// Adds users to a group. A user may be in several.
    #[must_use]
    pub fn group<U: Into<Box<str>>>(
        mut self,
        name: impl Into<Box<str>>,
        users: impl IntoIterator<Item = U>,
    ) -> Self {
        let groups = Arc::make_mut(self.groups.get_or_insert_default());
        let members = groups.entry(name.into()).or_default();
        members.extend(users.into_iter().map(Into::into));
        self
    }

    /// Treats special-purpose addresses and names, and the addresses of the proxy's own host, like any
    /// other.
    #[must_use]
    pub const fn allow_private(mut self) -> Self {
        self.allow_private = true;
        self
    }

    /// Lets a name that an upstream resolves pass the rules that deny networks: nobody here can tell
    /// whether it lies in one. Without this such a rule refuses it, unless an earlier rule allows the
    /// name. Names that are resolved here are judged by their addresses in any case.
    #[must_use]
    pub const fn allow_unresolved(mut self) -> Self {
        self.allow_unresolved = true;
        self
    }

    /// Adds an address on which the proxy listens, so that self-connections are known as such. The one
    /// on which a client came is known without this; a wildcard stands for all addresses of the machine.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.listening.push(address);
        self
    }

    /// Adds addresses that lead to this host without its knowledge: those of a 1:1 NAT or of a balancer.
    /// They are refused at any port, as those of its interfaces are, which are known without this.
    #[must_use]
    pub fn own(mut self, addresses: Network) -> Self {
        self.own.push(addresses);
        self
    }

    /// Adds a prefix by which this network translates IPv4 (NAT64, RFC 6052): what lies in it is judged
    /// by the IPv4 address that it embeds, as 64:ff9b::/96 always is.
    ///
    /// # Errors
    ///
    /// When it is no IPv6 network of 32, 40, 48, 56, 64 or 96 bits.
    pub fn nat64(mut self, prefix: Network) -> Result<Self, InvalidCondition> {
        self.nat64.push(Nat64::new(prefix)?);
        Ok(self)
    }

    /// Sets the time zone of times and weekdays, such as `Europe/Berlin`, instead of the system's.
    ///
    /// # Errors
    ///
    /// When this machine knows no such time zone.
    pub fn time_zone(self, name: &str) -> Result<Self, InvalidCondition> {
        let Zone(zone) = name.parse()?;
        Ok(self.zone(zone))
    }

    pub(super) fn zone(mut self, zone: TimeZone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Returns the members of the groups that are stated, each as a group and a user, group by group.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        let groups = self.groups.iter().flat_map(|groups| groups.iter());
        groups.flat_map(|(group, users)| users.iter().map(move |user| (&**group, &**user)))
    }

    /// Checks for names that do not exist: groups of rules that are not among the
    /// [groups](Self::group), if there are any, and users for whom `is_user` says no. A slip of
    /// that kind would make a deny rule match nobody.
    ///
    /// # Errors
    ///
    /// The first of them.
    pub fn check_names(&self, is_user: impl Fn(&str) -> bool) -> Result<(), InvalidRule> {
        for (number, rule) in (1..).zip(&self.rules) {
            if let Some(user) = rule.users.iter().find(|user| !is_user(user)) {
                return Err(InvalidRule::rule(
                    number,
                    "user",
                    format_args!("there is no user `{user}`"),
                ));
            }
            let Some(groups) = &self.groups else {
                continue;
            };
            let mut stated = rule.groups.iter();
            if let Some(unknown) = stated.find(|group| !groups.contains_key(*group)) {
                let known: Vec<&str> = groups.keys().map(|group| &**group).collect();
                let known = match &*known {
                    [] => "`groups` is empty".to_owned(),
                    known => format!("the groups are {}", known.join(", ")),
                };
                return Err(InvalidRule::rule(
                    number,
                    "group",
                    format_args!("there is no group `{unknown}`: {known}"),
                ));
            }
        }
        for (group, users) in self.groups.iter().flat_map(|groups| groups.iter()) {
            if let Some(user) = users.iter().find(|user| !is_user(user)) {
                return Err(InvalidRule::group(
                    group,
                    format_args!("there is no user `{user}`"),
                ));
            }
        }
        Ok(())
    }

    fn is_timed(&self) -> bool {
        let looks = |rule: &Rule| !rule.hours.is_empty() || !rule.days.is_empty();
        self.rules.iter().any(looks)
    }

    /// Checks that the time zone is known, if a rule looks at the clock and none is stated: that of the
    /// system may be named in the environment by a name that means nothing here.
    ///
    /// # Errors
    ///
    /// Says what is wrong with `TZ`. [`build`](Self::build) takes UTC in its place, and logs that.
    pub fn check_time_zone(&self) -> Result<(), InvalidCondition> {
        if self.zone.is_none() && self.is_timed() {
            system_zone()?;
        }
        Ok(())
    }

    /// What conditions are read by: the groups, the time zone and the NAT64 prefixes, without all that decides.
    pub(super) fn conditions(&self) -> Self {
        Self {
            nat64: self.nat64.clone(),
            zone: self.zone.clone(),
            groups: self.groups.clone(),
            ..Self::new(Action::Deny)
        }
    }

    /// Builds the rules. Takes a moment where they have a million values.
    #[must_use]
    pub fn build(self) -> Rules {
        let timed = self.is_timed();
        let Self {
            default,
            allow_private,
            allow_unresolved,
            listening,
            own,
            nat64,
            zone,
            groups,
            mut rules,
        } = self;
        let mut groups_of_users: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
        // Where no rule asks for one, ten thousand users need no table.
        let asked = rules.iter().any(|rule| !rule.groups.is_empty());
        for (group, users) in groups
            .iter()
            .filter(|_| asked)
            .flat_map(|groups| groups.iter())
        {
            for user in users {
                let groups = groups_of_users.entry(user.clone()).or_default();
                groups.push(group.clone());
            }
        }
        let stated = rules.iter().map(Stated::of).collect();
        let zone = match zone {
            Some(zone) => zone,
            None if timed => system_zone().unwrap_or_else(|problem| {
                tracing::warn!("UTC is taken for the time zone: {problem}");
                TimeZone::UTC
            }),
            None => TimeZone::UTC,
        };
        Rules(Arc::new(Compiled {
            default,
            allow_private,
            allow_unresolved,
            listening,
            own,
            zone,
            groups: groups_of_users,
            stated,
            index: Index::new(&mut rules, &nat64),
            nat64,
            rules,
            timed,
            reports: LogBudget::new(REPORTS, REPORTS_EVERY),
        }))
    }
}

impl Rules {
    /// Begins rules, with what happens where none matches.
    #[must_use]
    pub fn builder(default: Action) -> RulesBuilder {
        RulesBuilder::new(default)
    }
}

/// Allows everything but special-purpose addresses and self-connections.
impl Default for Rules {
    fn default() -> Self {
        Self::builder(Action::Allow).build()
    }
}
