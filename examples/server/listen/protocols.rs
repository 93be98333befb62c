//! `protocols`: those that clients may speak.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};
use tower_socks::session::Protocol;

use super::texts::texts;

/// At least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocols([bool; Protocol::ALL.len()]);

/// All.
impl Default for Protocols {
    fn default() -> Self {
        Self([true; Protocol::ALL.len()])
    }
}

impl Protocols {
    fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut taken = [false; Protocol::ALL.len()];
        for name in names {
            let name = name.as_ref();
            let known = taken.iter_mut().zip(Protocol::ALL);
            let mut known = known.filter(|(_, protocol)| protocol.name() == name);
            match known.next() {
                Some((taken, _)) => *taken = true,
                None => return Err(format!("`{name}` is not socks5, socks4 or http")),
            }
        }
        if !taken.contains(&true) {
            return Err("nobody could speak with a port that takes no protocol".into());
        }
        Ok(Self(taken))
    }

    pub(crate) fn contains(&self, protocol: Protocol) -> bool {
        self.iter().any(|taken| taken == protocol)
    }

    fn iter(&self) -> impl Iterator<Item = Protocol> {
        let each = self.0.into_iter().zip(Protocol::ALL);
        each.filter_map(|(taken, protocol)| taken.then_some(protocol))
    }
}

/// As the command line has them: `socks5,http`.
impl FromStr for Protocols {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text.split(',').map(str::trim))
    }
}

impl<'de> Deserialize<'de> for Protocols {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = texts(deserializer, "the name of a protocol, or a list of them")?;
        Self::new(names).map_err(de::Error::custom)
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Protocol::name).collect();
        f.write_str(&names.join(", "))
    }
}
