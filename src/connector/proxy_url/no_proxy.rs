use std::{convert::Infallible, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use crate::proto::Address;

/// Lists the hosts that are reached without the proxy: `NO_PROXY`, by curl's rules.
///
/// Entries are separated by commas or spaces:
///
/// | entry | means |
/// |---|---|
/// | `example.com`, `.example.com` | that name and all names below it |
/// | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | that address |
/// | `10.0.0.0/8` | all addresses of that network |
/// | any of them with a port, as in `example.com:8080` | the same at that port |
/// | `*` as the whole list | everything; beside other entries it means nothing |
///
/// Names are not resolved: a name is on the list as a name only. Invalid entries are skipped.
///
/// Ports and brackets go beyond curl; an IPv4-mapped IPv6 address matches as the IPv4 address; and
/// `0.0.0.0/0` is all of IPv4, where curl takes `/0` for no length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    everything: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// In lower case, without dots at its ends.
    Name(String),
    Network(IpNet),
}

impl NoProxy {
    /// Returns whether a target is reached without the proxy.
    #[must_use]
    pub fn includes(&self, target: &Address) -> bool {
        if self.everything {
            return true;
        }
        let Ok(target) = target.clone().canonical() else {
            return false;
        };
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|port| port == target.port()) && entry.host.includes(&target)
        })
    }
}

impl Host {
    fn includes(&self, target: &Address) -> bool {
        match (self, target) {
            (Self::Network(network), Address::Ip(address)) => {
                network.contains(&address.ip().to_canonical())
            }
            (Self::Name(name), Address::Name(target, _)) => {
                let target = target.as_str().trim_end_matches('.').to_lowercase();
                let above = target.strip_suffix(name.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (Self::Network(_), Address::Name(..)) | (Self::Name(_), Address::Ip(_)) => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let address = bare.unwrap_or(text);
        if let Ok(ip) = address.parse::<IpAddr>() {
            return Some(Self::Network(ip.to_canonical().into()));
        }
        if let Ok(network) = address.parse::<IpNet>() {
            return Some(Self::Network(canonical(network)));
        }
        let name = text.trim_matches('.').to_lowercase();
        let is_name = !name.is_empty() && !name.contains(['/', ':', '[', ']', '*']);
        is_name.then_some(Self::Name(name))
    }
}

/// Turns a network of IPv4-mapped addresses into the IPv4 network, since targets are matched as IPv4.
fn canonical(network: IpNet) -> IpNet {
    let length = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), length) {
        (address @ IpAddr::V4(_), Some(length)) if network.addr().is_ipv6() => {
            IpNet::new(address, length).unwrap_or(network)
        }
        _ => network,
    }
}

impl FromStr for NoProxy {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut hosts = Self {
            everything: text == "*",
            entries: Vec::new(),
        };
        for text in text.split([',', ' ', '\t']).filter(|text| !text.is_empty()) {
            if let Some(host) = Host::parse(text) {
                hosts.entries.push(Entry { host, port: None });
            } else if let Some((host, port)) = text.rsplit_once(':')
                && let (Some(host), Ok(port)) = (Host::parse(host), port.parse())
            {
                let port = Some(port);
                hosts.entries.push(Entry { host, port });
            }
        }
        Ok(hosts)
    }
}
