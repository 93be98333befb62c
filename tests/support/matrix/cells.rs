//! What is asked in a cell, under which rules, and what has to come of it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{SystemTime, UNIX_EPOCH},
};

use tower_socks::{Rules, proto::Command};

/// How the client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    Nobody,
    /// As joe, who is in the group `staff` by the rules and in `cellar` by his identity.
    Joe,
}

/// How the destination is stated, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    V4,
    V6,
    NameOfV4,
    NameOfV6,
}

impl Stated {
    pub const fn ip(self) -> IpAddr {
        match self {
            Self::V4 | Self::NameOfV4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::V6 | Self::NameOfV6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        }
    }

    pub const fn is_name(self) -> bool {
        matches!(self, Self::NameOfV4 | Self::NameOfV6)
    }
}

/// What the rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    User,
    Group,
    IdentityGroup,
    Client,
    Command,
    Time,
    Weekday,
    Port,
    Ports,
    Name,
    Below,
    NetworkV4,
    NetworkV6,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::User,
        Self::Group,
        Self::IdentityGroup,
        Self::Client,
        Self::Command,
        Self::Time,
        Self::Weekday,
        Self::Port,
        Self::Ports,
        Self::Name,
        Self::Below,
        Self::NetworkV4,
        Self::NetworkV6,
    ];

    const fn is_name(self) -> bool {
        matches!(self, Self::Name | Self::Below)
    }

    const fn is_network(self) -> bool {
        matches!(self, Self::NetworkV4 | Self::NetworkV6)
    }

    /// What is known of a datagram only, and not of the association.
    const fn is_destination(self) -> bool {
        matches!(self, Self::Port | Self::Ports) || self.is_name() || self.is_network()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Allow,
    Report,
    Deny,
}

/// How the rules open the loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// With networks in `to`.
    ByNetwork,
    ByAllowPrivate,
    NotAtAll,
}

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passes,
    /// 02 for the request as stated.
    Refused,
    /// The datagram is dropped, as it is stated.
    Dropped,
    /// 02, or the datagram is dropped, once the address is known.
    RefusedAtTheAddress,
}

#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub auth: Auth,
    pub command: Command,
    pub stated: Stated,
    pub kind: Kind,
    /// Whether the rule states what is the case.
    pub right: bool,
    pub action: Action,
    pub opened: Opened,
}

impl Cell {
    /// Every cell of a command.
    pub fn all(command: Command, ipv6: bool) -> Vec<Self> {
        let mut cells = Vec::new();
        for auth in [Auth::Nobody, Auth::Joe] {
            for stated in [Stated::V4, Stated::NameOfV4, Stated::V6, Stated::NameOfV6] {
                for kind in Kind::ALL {
                    for right in [true, false] {
                        for action in [Action::Allow, Action::Report, Action::Deny] {
                            for opened in
                                [Opened::ByNetwork, Opened::ByAllowPrivate, Opened::NotAtAll]
                            {
                                cells.push(Self {
                                    auth,
                                    command,
                                    stated,
                                    kind,
                                    right,
                                    action,
                                    opened,
                                });
                            }
                        }
                    }
                }
            }
        }
        cells.retain(|cell| cell.exists() && (ipv6 || cell.stated.ip().is_ipv4()));
        cells
    }

    /// A network that opens makes a rule about a name one about a network.
    fn exists(&self) -> bool {
        let allows = self.action != Action::Deny;
        !(allows && self.kind.is_name() && self.opened == Opened::ByNetwork)
    }

    /// Whether the rule applies, once all is known.
    fn holds(&self) -> bool {
        self.right
            && match self.kind {
                Kind::User | Kind::Group | Kind::IdentityGroup => self.auth == Auth::Joe,
                Kind::Name | Kind::Below => self.stated.is_name(),
                Kind::NetworkV4 => self.stated.ip().is_ipv4(),
                Kind::NetworkV6 => self.stated.ip().is_ipv6(),
                Kind::Client
                | Kind::Command
                | Kind::Time
                | Kind::Weekday
                | Kind::Port
                | Kind::Ports => true,
            }
    }

    pub fn outcome(&self) -> Outcome {
        let allows = self.action != Action::Deny;
        let is_open = match self.opened {
            Opened::ByNetwork | Opened::ByAllowPrivate => true,
            Opened::NotAtAll => allows && self.kind.is_network(),
        };
        let passes = is_open && self.holds() == allows;
        if passes {
            return Outcome::Passes;
        }
        let udp = self.command == Command::UDP_ASSOCIATE;
        // The rule itself says no, and not the address.
        let by_rule = self.holds() != allows;
        if udp && by_rule && !self.kind.is_destination() {
            return Outcome::Refused;
        }
        let at_the_address = self.stated.is_name() && (self.kind.is_network() || !by_rule);
        match (udp, at_the_address) {
            (_, true) => Outcome::RefusedAtTheAddress,
            (true, false) => Outcome::Dropped,
            (false, false) => Outcome::Refused,
        }
    }

    /// The rules for a destination with this port. For UDP a witness may be sent to in any case,
    /// unless the association itself has to be refused.
    pub fn rules(&self, port: u16, witness: Option<u16>) -> Rules {
        let text = self.text(port, witness);
        toml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn text(&self, port: u16, witness: Option<u16>) -> String {
        let mut text = String::from("time_zone = \"UTC\"\n");
        let allows = self.action != Action::Deny;
        text += if allows {
            "default = \"deny\"\n"
        } else {
            "default = \"allow\"\n"
        };
        if self.opened == Opened::ByAllowPrivate {
            text += "allow_private = true\n";
        }
        if self.kind == Kind::Group {
            text += "[groups]\nstaff = [\"jane\", \"joe\"]\nnight = [\"jane\"]\n";
        }
        if let Some(port) = witness.filter(|_| self.outcome() != Outcome::Refused) {
            text += &format!(
                "[[rules]]\naction = \"allow\"\nto = \"127.0.0.9\"\nport = {port}\ncommand = \"udp\"\n"
            );
        }
        let action = format!("{:?}", self.action).to_lowercase();
        text += &format!(
            "[[rules]]\naction = \"{action}\"\n{}\n",
            self.condition(port)
        );
        if self.opened == Opened::ByNetwork {
            if !allows {
                text += "[[rules]]\naction = \"allow\"\n";
            }
            if !(allows && self.kind.is_network()) {
                text += "to = [\"127.0.0.0/8\", \"::1\"]\n";
            }
        }
        text
    }

    fn condition(&self, port: u16) -> String {
        let below = port.saturating_sub(1);
        let (right, wrong) = match self.kind {
            Kind::User => ("user = 'joe'".into(), "user = 'jane'".into()),
            Kind::Group => ("group = 'staff'".into(), "group = 'night'".into()),
            Kind::IdentityGroup => ("group = 'cellar'".into(), "group = 'attic'".into()),
            Kind::Client => (
                "client = '127.0.0.0/8'".into(),
                "client = ['127.0.0.2', '::1']".into(),
            ),
            Kind::Command => match self.command {
                Command::CONNECT => (
                    "command = 'connect'".into(),
                    "command = ['bind', 'udp']".into(),
                ),
                Command::BIND => ("command = 'bind'".into(), "command = 'connect'".into()),
                _ => ("command = 'udp'".into(), "command = 'connect'".into()),
            },
            Kind::Time => times(),
            Kind::Weekday => weekdays(),
            Kind::Port => (format!("port = {port}"), format!("port = {below}")),
            Kind::Ports => (
                format!("port = '{below}-{port}'"),
                format!("port = [1, '{below}-{below}', 65535]"),
            ),
            Kind::Name => ("to = 'Target.Example.'".into(), "to = 'example'".into()),
            Kind::Below => ("to = '*.example'".into(), "to = '*.target.example'".into()),
            Kind::NetworkV4 => ("to = '127.0.0.0/16'".into(), "to = '127.1.0.0/16'".into()),
            Kind::NetworkV6 => ("to = '::1'".into(), "to = '::2'".into()),
        };
        if self.right { right } else { wrong }
    }
}

/// As a failure names it.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} has to end in {:?}", self.outcome())
    }
}

/// Hours and days since 1970, which began on a Thursday.
fn now() -> (u64, u64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let hours = since.as_secs() / 3600;
    (hours, hours / 24)
}

/// A part of the day that is now, and one that is not, both for an hour at least.
fn times() -> (String, String) {
    let (hour, _) = now();
    let part = |from: u64, to: u64| {
        let (from, to) = ((hour + from) % 24, (hour + to) % 24);
        format!("time = '{from:02}:00-{to:02}:00'")
    };
    (part(22, 2), part(6, 8))
}

fn weekdays() -> (String, String) {
    let (_, day) = now();
    let name = |later: u64| {
        let index = usize::try_from((day + later) % 7).unwrap();
        ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][index]
    };
    let days = |first: u64, last: u64| format!("weekday = '{}-{}'", name(first), name(last));
    (days(6, 1), days(3, 4))
}
