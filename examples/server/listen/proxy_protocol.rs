//! `[proxy_protocol]`: load balancers that state their clients.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Deserializer, de};
use tower_socks::{layer::proxy_protocol::Untrusted, proto::Network};

use super::texts::texts;

/// `[proxy_protocol]`, or that of one listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProxyProtocol {
    pub(crate) from: Networks,
    #[serde(default)]
    others: Others,
}

/// What becomes of connections from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Others {
    #[default]
    Refuse,
    Serve,
}

impl ProxyProtocol {
    pub(crate) fn from(networks: Vec<Network>) -> Self {
        Self {
            from: Networks(networks),
            others: Others::default(),
        }
    }

    pub(crate) const fn untrusted(&self) -> Untrusted {
        match self.others {
            Others::Refuse => Untrusted::Refuse,
            Others::Serve => Untrusted::Plain,
        }
    }

    /// Whether headers are taken from this address.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.from.0.iter().any(|network| network.contains(address))
    }

    /// A network that is larger than any that somebody runs load balancers in.
    pub(crate) fn too_large(&self) -> Option<&Network> {
        let mut networks = self.from.0.iter();
        networks.find(|network| network.prefix_len() < 8)
    }
}

/// Networks of load balancers.
#[derive(Clone, Debug)]
pub(crate) struct Networks(pub(crate) Vec<Network>);

/// A network as people write it, or how to write it.
pub(crate) fn network(text: &str) -> Result<Network, String> {
    text.parse()
        .map_err(|problem| format!("`{text}`: {problem}"))
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = texts(deserializer, "a network, or a list of them")?;
        if texts.is_empty() {
            return Err(de::Error::custom(
                "nobody is in an empty list: leave the table out",
            ));
        }
        let networks = texts.iter().map(|text| network(text));
        let networks = networks.collect::<Result<_, _>>();
        networks.map(Self).map_err(de::Error::custom)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&networks.join(", "))
    }
}
