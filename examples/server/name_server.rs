//! A name server in `servers` of `[resolver]`.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Deserializer, de};
use tower_socks::proto::DomainName;

/// A name server: an address, with a port or at 53; or `tls://` in front of it, at 853, and the name of its certificate behind
/// a `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    pub(crate) is_in_tls: bool,
    pub(crate) name: Option<String>,
}

impl<'de> Deserialize<'de> for NameServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let in_tls = text.strip_prefix("tls://");
        let (address, name) = match in_tls {
            Some(rest) => match rest.split_once('#') {
                Some((address, name)) => (address, Some(name)),
                None => (rest, None),
            },
            None => (&*text, None),
        };
        let port = if in_tls.is_some() { 853 } else { 53 };
        let with_port = address.parse().ok();
        let address = with_port.or_else(|| Some(SocketAddr::new(address.parse().ok()?, port)));
        let address =
            address.filter(|address| !address.ip().is_unspecified() && address.port() > 0);
        // What stands here is a domain name, of which there are no others in certificates.
        let name = name.map(|name| DomainName::new(name).map(|name| name.to_string()));
        match (address, name.transpose()) {
            (Some(address), Ok(name)) => Ok(Self {
                address,
                is_in_tls: in_tls.is_some(),
                name,
            }),
            _ => Err(de::Error::custom(format_args!(
                "`{}` is no address of a name server, such as \"192.0.2.53\", \"192.0.2.53:5353\" or \
                 \"tls://192.0.2.53#dns.example\"",
                text.escape_debug()
            ))),
        }
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_in_tls {
            return self.address.fmt(f);
        }
        write!(f, "tls://{}", self.address)?;
        match &self.name {
            Some(name) => write!(f, "#{name}"),
            None => Ok(()),
        }
    }
}
