use std::{fmt, str::FromStr};

use super::{
    destination::Destination,
    error::InvalidCondition,
    network::Network,
    ports::PortRange,
    schedule::{TimeRange, Weekdays},
};
use crate::{proto::Command, session::Protocol};

/// What a rule does where it matches.
///
/// ```
/// use tower_socks::rules::Action;
///
/// assert_eq!("deny".parse(), Ok(Action::Deny));
/// assert!("drop".parse::<Action>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Allows the request.
    Allow,
    /// Refuses it with 02.
    Deny,
    /// Allows it, and the log says that [`Deny`](Self::Deny) would have refused it.
    Report,
}

impl Action {
    pub(super) const fn allows(self) -> bool {
        match self {
            Self::Allow | Self::Report => true,
            Self::Deny => false,
        }
    }
}

impl FromStr for Action {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            "report" => Ok(Self::Report),
            _ => Err(InvalidCondition::new(format_args!(
                "`{text}` is no action: write \"allow\", \"deny\" or \"report\""
            ))),
        }
    }
}

/// One of [`Rules`](super::Rules): an action, and the conditions under which it matches.
///
/// All conditions have to hold, and one with several values holds if one of them does. A rule
/// without conditions always matches.
///
/// ```
/// use tower_socks::{rules::{Action, Rule}, proto::Command};
///
/// let rule = Rule::new(Action::Deny)
///     .named("no mail")
///     .command(Command::CONNECT)
///     .port(25)
///     .port(465..=587);
/// assert_eq!(rule.name(), Some("no mail"));
/// ```
#[derive(Clone)]
pub struct Rule {
    pub(super) action: Action,
    pub(super) name: Option<String>,
    pub(super) users: Vec<Box<str>>,
    pub(super) groups: Vec<Box<str>>,
    pub(super) clients: Vec<Network>,
    pub(super) protocols: Protocols,
    pub(super) commands: Vec<Command>,
    pub(super) destinations: Vec<Destination>,
    pub(super) ports: Vec<PortRange>,
    pub(super) hours: Vec<TimeRange>,
    pub(super) days: Vec<Weekdays>,
}

impl Rule {
    /// Creates a rule without conditions.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            name: None,
            users: Vec::new(),
            groups: Vec::new(),
            clients: Vec::new(),
            protocols: Protocols(0),
            commands: Vec::new(),
            destinations: Vec::new(),
            ports: Vec::new(),
            hours: Vec::new(),
            days: Vec::new(),
        }
    }

    /// Names the rule, for the log, besides its number.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Requires that the client is this user.
    #[must_use]
    pub fn user(mut self, name: impl Into<Box<str>>) -> Self {
        self.users.push(name.into());
        self
    }

    /// Requires that the client is in this group: one of the [groups](super::RulesBuilder::group)
    /// of the rules, or one of the [groups](crate::Identity::groups) of its identity.
    #[must_use]
    pub fn group(mut self, name: impl Into<Box<str>>) -> Self {
        self.groups.push(name.into());
        self
    }

    /// Requires that the client's address is in this network. A client without an address, on a
    /// Unix socket, is in none.
    #[must_use]
    pub fn client(mut self, network: Network) -> Self {
        self.clients.push(network);
        self
    }

    /// Requires that the client asks in this protocol.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocols = self.protocols.and(protocol);
        self
    }

    /// Requires this command.
    #[must_use]
    pub fn command(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// Requires this destination: for BIND where the peer is, for UDP where a datagram goes.
    #[must_use]
    pub fn to(mut self, destination: impl Into<Destination>) -> Self {
        self.destinations.push(destination.into());
        self
    }

    /// Requires the port of the destination, a number or a range. For BIND the one that the request states.
    #[must_use]
    pub fn port(mut self, ports: impl Into<PortRange>) -> Self {
        self.ports.push(ports.into());
        self
    }

    /// Requires the time of day, in the time zone of the rules.
    #[must_use]
    pub fn hours(mut self, hours: TimeRange) -> Self {
        self.hours.push(hours);
        self
    }

    /// Requires the day, in the time zone of the rules.
    #[must_use]
    pub fn days(mut self, days: Weekdays) -> Self {
        self.days.push(days);
        self
    }

    /// Returns what the rule does.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Returns what it states in `to`: nothing, where it is about all destinations. Of a rule of built
    /// [`Rules`](super::Rules) there is no list: they are in an index by then.
    #[must_use]
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
    }

    /// Returns what the log calls it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// The protocols that a rule states, a bit each: there may be a million rules.
#[derive(Clone, Copy, Default)]
pub(super) struct Protocols(u8);

impl Protocols {
    pub(super) const fn and(self, protocol: Protocol) -> Self {
        Self(self.0 | bit(protocol))
    }

    /// Returns whether all that the others include is included.
    pub(super) const fn cover(self, others: Self) -> bool {
        self.0 == 0 || (others.0 != 0 && self.0 & others.0 == others.0)
    }

    /// Returns whether it is one of them, or none is stated.
    pub(super) const fn include(self, protocol: Protocol) -> bool {
        self.0 == 0 || self.0 & bit(protocol) != 0
    }
}

const fn bit(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Socks5 => 1,
        Protocol::Socks4 => 2,
        Protocol::Http => 4,
    }
}

/// Without the values, of which there may be a million.
impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("action", &self.action)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
