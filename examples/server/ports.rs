//! Ranges of ports, from the file.

use std::{
    collections::BTreeMap,
    fmt,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, de};
use tower_socks::connector::PortRange;

/// Ranges that are known at most: more than a few are those of earlier files.
const MOST: usize = 64;

/// `ports`, written like `40000-40999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    pub(crate) fn len(self) -> usize {
        self.range().len()
    }

    const fn range(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let port = |text: &str| text.trim().parse().ok().filter(|port: &u16| *port > 0);
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(de::Error::custom(format_args!(
                "`{}` is no range of ports, such as \"40000-40999\"",
                text.escape_debug()
            ))),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The ports that sockets of each range have. Listeners that share a range, and stacks that follow each other, know of
/// each other's. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakenPorts(Arc<Mutex<BTreeMap<Ports, PortRange>>>);

impl TakenPorts {
    /// The range with what is taken of it.
    pub(crate) fn of(&self, ports: Ports) -> PortRange {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&ports) {
            known.clear();
        }
        let range = known.entry(ports);
        range.or_insert_with(|| ports.range().into()).clone()
    }
}
