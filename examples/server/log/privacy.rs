//! What lines tell of clients, users and targets: `clients`, `users` and `targets` of `[log]`.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::Deserialize;
use tower_socks::{Identity, proto::Address};

use super::redact::{Known, text as text_without};

/// Octets of a key at least.
const KEY: usize = 16;

/// Labels below a country's that are no owner's: `example.co.uk` is one, and `co.uk` is not.
const GENERIC: [&str; 9] = ["ac", "co", "com", "edu", "gob", "gov", "net", "or", "org"];

/// What is told of targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Targets {
    #[default]
    Full,
    /// The last two labels of a name, and the network of an address.
    Domain,
    None,
}

/// What is told of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Users {
    #[default]
    Full,
    /// A code that is the same for the same name.
    Hashed,
}

/// What is told of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clients {
    #[default]
    Full,
    /// The network of the address.
    Network,
}

/// What is told. Clones are cheap.
#[derive(Clone, Default)]
pub(crate) struct Privacy {
    pub(super) targets: Targets,
    pub(super) users: Users,
    pub(super) clients: Clients,
    key: Option<Arc<hmac::Key>>,
}

impl Privacy {
    /// Reads the key of the codes of names, where one is needed. Without a file it is random, and another one after
    /// each start.
    pub(super) fn new(
        targets: Targets,
        users: Users,
        clients: Clients,
        key_file: Option<&PathBuf>,
    ) -> Result<Self, String> {
        let key = match (users, key_file) {
            (Users::Full, _) => None,
            (Users::Hashed, Some(path)) => Some(Arc::new(read(path)?)),
            (Users::Hashed, None) => Some(random()?),
        };
        Ok(Self {
            targets,
            users,
            clients,
            key,
        })
    }

    /// Whether everything is told.
    pub(crate) fn is_full(&self) -> bool {
        self.targets == Targets::Full && self.users == Users::Full && self.clients == Clients::Full
    }

    /// A client's address, without its port.
    pub(crate) fn client(&self, address: IpAddr) -> Option<String> {
        Some(self.client_address(address).to_string())
    }

    /// The same, as an address.
    pub(crate) fn client_address(&self, address: IpAddr) -> IpAddr {
        match self.clients {
            Clients::Full => address,
            Clients::Network => network(address),
        }
    }

    /// The address of a target.
    pub(crate) fn target_address(&self, address: IpAddr) -> Option<String> {
        self.target_ip(address).map(|address| address.to_string())
    }

    /// The same, as an address.
    pub(crate) fn target_ip(&self, address: IpAddr) -> Option<IpAddr> {
        match self.targets {
            Targets::Full => Some(address),
            Targets::Domain => Some(network(address)),
            Targets::None => None,
        }
    }

    /// The name of a target.
    pub(crate) fn target_name(&self, name: &str) -> Option<String> {
        self.shown_name(name).map(str::to_owned)
    }

    /// The same, where it need not be kept.
    pub(crate) fn shown_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.targets {
            Targets::Full => Some(name),
            Targets::Domain => Some(domain(name)),
            Targets::None => None,
        }
    }

    /// Whether it is told what was asked for at a target.
    pub(crate) fn tells_paths(&self) -> bool {
        self.targets == Targets::Full
    }

    /// A user's name, as logs write it.
    pub(crate) fn user(&self, identity: &Identity) -> String {
        match self.users {
            Users::Full => identity.to_string(),
            Users::Hashed => self.user_name(&identity.to_string()),
        }
    }

    pub(super) fn user_name(&self, name: &str) -> String {
        let Some(key) = self.key.as_deref().filter(|_| name != "-") else {
            return name.to_owned();
        };
        let code = hmac::sign(key, name.as_bytes());
        let mut shown = String::from("u-");
        for octet in code.as_ref().iter().take(6) {
            // Writing to a string cannot fail.
            _ = write!(shown, "{octet:02x}");
        }
        shown
    }

    /// A text that may have any of them in it, about this target.
    pub(crate) fn text<'a>(&self, text: &'a str, target: Option<&Address>) -> Cow<'a, str> {
        if self.is_full() {
            return Cow::Borrowed(text);
        }
        let known = match target {
            Some(Address::Name(name, _)) => Known::default().target(name.as_str()),
            Some(Address::Ip(_)) | None => Known::default(),
        };
        Cow::Owned(text_without(self, &known, text))
    }
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy")
            .field("targets", &self.targets)
            .field("users", &self.users)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<hmac::Key, String> {
    let problem =
        |problem: &dyn fmt::Display| format!("log, users_key_file: {}: {problem}", path.display());
    let key = std::fs::read(path).map_err(|error| problem(&error))?;
    if key.len() < KEY {
        return Err(problem(&format_args!("expected {KEY} octets or more")));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

/// The key of this start, whatever a reload changes.
fn random() -> Result<Arc<hmac::Key>, String> {
    static RANDOM: OnceLock<Arc<hmac::Key>> = OnceLock::new();
    if let Some(key) = RANDOM.get() {
        return Ok(Arc::clone(key));
    }
    let mut key = [0; 32];
    let filled = SystemRandom::new().fill(&mut key);
    filled.map_err(|_| "log: the system has no random numbers".to_owned())?;
    let key = || Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key));
    Ok(Arc::clone(RANDOM.get_or_init(key)))
}

/// The IPv4 /24 or IPv6 /48 of an address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

/// The last two labels of a name; three, where the second one is of no owner.
fn domain(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else {
        return name;
    };
    let is_country = name.len() - last == 3;
    let label = name.get(second + 1..last).unwrap_or_default();
    let from = match is_country && GENERIC.contains(&label) {
        true => dots.next().map_or(0, |third| third + 1),
        false => second + 1,
    };
    name.get(from..).unwrap_or(name)
}
