use std::{convert::Infallible, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use crate::proto::{Address, DomainName};

/// Lists the hosts that are reached without the proxy: `NO_PROXY`, by curl's rules.
///
/// Entries are separated by commas or white space:
///
/// | entry | means |
/// |---|---|
/// | `example.com`, `.example.com` | that name and all names below it |
/// | `*.example.com` | all names below it |
/// | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | that address |
/// | `10.0.0.0/8`, `10/8` | all addresses of that network |
/// | any of them with a port, as in `example.com:8080` | the same at that port |
/// | `*` as the only entry | everything; beside other entries it means nothing |
///
/// Names are not resolved: a name is on the list as a name only. Entries that are none of these are
/// [left out](Self::left_out).
///
/// Ports, brackets, `*.` and short networks go beyond curl; an IPv4-mapped IPv6 address matches as the
/// IPv4 address; and `0.0.0.0/0` is all of IPv4, where curl takes `/0` for no length.
///
/// ```
/// use tower_socks::connector::proxy_url::NoProxy;
///
/// let hosts: NoProxy = "localhost 10/8 *.corp.example http://intranet/".parse()?;
/// assert!(hosts.includes(&"10.1.2.3:80".parse()?));
/// assert!(hosts.includes(&"www.corp.example:80".parse()?));
/// assert!(hosts.left_out().eq(["http://intranet/"]));
/// # Ok::<(), tower_socks::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    everything: bool,
    entries: Vec<Entry>,
    /// As they were written.
    left_out: Vec<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(DomainName),
    /// The names below it alone.
    Below(DomainName),
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

    /// Returns the entries that were not understood, as they were written.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().map(|text| &**text)
    }

    pub(super) const fn is_everything(&self) -> bool {
        self.everything
    }
}

impl Host {
    fn includes(&self, target: &Address) -> bool {
        match (self, target) {
            (Self::Network(network), Address::Ip(address)) => {
                network.contains(&address.ip().to_canonical())
            }
            (Self::Name(name), Address::Name(target, _)) => {
                target == name || is_below(target, name)
            }
            (Self::Below(name), Address::Name(target, _)) => is_below(target, name),
            (Self::Network(_), Address::Name(..))
            | (Self::Name(_) | Self::Below(_), Address::Ip(_)) => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let address = bare.unwrap_or(text);
        if let Ok(ip) = address.parse::<IpAddr>() {
            return Some(Self::Network(ip.to_canonical().into()));
        }
        if let Some(network) = address.parse::<IpNet>().ok().or_else(|| short(address)) {
            return Some(Self::Network(canonical(network)));
        }
        // Names are compared in their normal form: targets have no other one.
        if let Some(name) = text.strip_prefix("*.") {
            return Some(Self::Below(DomainName::new(name).ok()?));
        }
        if text.contains(['/', ':', '[', ']', '*']) {
            return None;
        }
        let name = text.strip_prefix('.').unwrap_or(text);
        Some(Self::Name(DomainName::new(name).ok()?))
    }
}

/// Whether a name is below another one: `www.example.com` is below `example.com`.
fn is_below(name: &DomainName, above: &DomainName) -> bool {
    let start = name.as_str().strip_suffix(above.as_str());
    start.is_some_and(|start| start.ends_with('.'))
}

/// Reads a network of IPv4 without the octets that are zero: `10/8`.
fn short(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let mut octets = [0; 4];
    let mut rest = octets.iter_mut();
    for octet in address.split('.') {
        *rest.next()? = octet.parse().ok()?;
    }
    IpNet::new(octets.into(), length.parse().ok()?).ok()
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
        let is_between = |c: char| c == ',' || c.is_whitespace();
        let mut hosts = Self {
            everything: text.trim_matches(is_between) == "*",
            ..Self::default()
        };
        if hosts.everything {
            return Ok(hosts);
        }
        for text in text.split(is_between).filter(|text| !text.is_empty()) {
            if let Some(host) = Host::parse(text) {
                hosts.entries.push(Entry { host, port: None });
            } else if let Some((host, port)) = text.rsplit_once(':')
                && let (Some(host), Ok(port)) = (Host::parse(host), port.parse())
            {
                let port = Some(port);
                hosts.entries.push(Entry { host, port });
            } else {
                hosts.left_out.push(text.into());
            }
        }
        Ok(hosts)
    }
}
