use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use jiff::tz::TimeZone;

use super::{
    Action, InvalidCondition, InvalidRule, Rule, Rules,
    de::Groups,
    de_values::Text,
    index::Index,
    rules::{Compiled, Stated},
    schedule::Zone,
};

/// [`Rules`] in the making, from code or from a file.
///
/// A file gives rules at once as well, by way of this. Whoever has to add to a file, or to
/// [check](Self::check_names) it against a list of users, reads this instead.
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
    own: Vec<SocketAddr>,
    zone: Option<TimeZone>,
    /// The users of each group. `None` leaves groups to the identities.
    groups: Option<BTreeMap<Box<str>, Vec<Box<str>>>>,
    rules: Vec<Rule>,
}

impl RulesBuilder {
    pub(super) const fn new(default: Action) -> Self {
        Self {
            default,
            allow_private: false,
            own: Vec::new(),
            zone: None,
            groups: None,
            rules: Vec::new(),
        }
    }

    /// Adds a rule behind the others.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// These are the groups, and there are no others, even if there are none.
    pub(super) fn groups(mut self, groups: Groups) -> Self {
        let users = |users: Vec<Text>| users.into_iter().map(|Text(user)| user).collect();
        let groups = groups.into_iter();
        self.groups = Some(groups.map(|(Text(name), it)| (name, users(it))).collect());
        self
    }

    /// Puts these rules in, as they are: there may be a million.
    pub(super) fn rules(mut self, rules: Vec<Rule>) -> Self {
        self.rules = rules;
        self
    }

    /// Adds users to a group. A user may be in several.
    #[must_use]
    pub fn group<U: Into<Box<str>>>(
        mut self,
        name: impl Into<Box<str>>,
        users: impl IntoIterator<Item = U>,
    ) -> Self {
        let groups = self.groups.get_or_insert_default();
        let members = groups.entry(name.into()).or_default();
        members.extend(users.into_iter().map(Into::into));
        self
    }

    /// Special-purpose addresses and the proxy's own are addresses like any other.
    #[must_use]
    pub const fn allow_private(mut self) -> Self {
        self.allow_private = true;
        self
    }

    /// The proxy listens here, too. The address on which a client came is known without this.
    #[must_use]
    pub fn own(mut self, address: SocketAddr) -> Self {
        self.own.push(address);
        self
    }

    /// The time zone of times and weekdays, such as `Europe/Berlin`, instead of the system's.
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

    /// Looks for names that nobody has: groups of rules that are not among the
    /// [groups](Self::group), if there are any, and users for whom `is_user` says no. A slip of
    /// that kind would make a deny rule apply to nobody.
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
        for (group, users) in self.groups.iter().flatten() {
            if let Some(user) = users.iter().find(|user| !is_user(user)) {
                return Err(InvalidRule::group(
                    group,
                    format_args!("there is no user `{user}`"),
                ));
            }
        }
        Ok(())
    }

    /// The rules. Takes a moment where they have a million values.
    #[must_use]
    pub fn build(self) -> Rules {
        let Self {
            default,
            allow_private,
            own,
            zone,
            groups,
            mut rules,
        } = self;
        let mut groups_of_users: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
        for (group, users) in groups.into_iter().flatten() {
            for user in users {
                groups_of_users.entry(user).or_default().push(group.clone());
            }
        }
        let stated = rules.iter().map(Stated::of).collect();
        let timed = rules
            .iter()
            .any(|rule| !rule.hours.is_empty() || !rule.days.is_empty());
        Rules(Arc::new(Compiled {
            default,
            allow_private,
            own,
            zone: zone.unwrap_or_else(TimeZone::system),
            groups: groups_of_users,
            stated,
            index: Index::new(&mut rules),
            rules,
            timed,
        }))
    }
}
