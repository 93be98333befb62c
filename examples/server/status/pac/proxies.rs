//! Proxies as a script names them: `HTTPS proxy.example:443`.

use std::{fmt, net::IpAddr};

use serde::Deserialize;
use tower_socks::{proto::DomainName, session::Protocol};

use crate::listen::Door;

/// A kind of proxies, the one that is better for browsers first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Https,
    Proxy,
    Socks5,
    Socks,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("HTTPS", Self::Https),
        ("PROXY", Self::Proxy),
        ("HTTP", Self::Proxy),
        ("SOCKS5", Self::Socks5),
        ("SOCKS4", Self::Socks),
        ("SOCKS", Self::Socks),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Https => "HTTPS",
            Self::Proxy => "PROXY",
            Self::Socks5 => "SOCKS5",
            Self::Socks => "SOCKS",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Proxy {
    kind: Kind,
    /// With brackets, where it is an address of IPv6.
    host: String,
    port: u16,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.kind.name(), self.host, self.port)
    }
}

impl TryFrom<String> for Proxy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}`: expected KIND HOST:PORT, such as \"HTTPS proxy.example:443\"",
                text.escape_debug()
            )
        };
        let (kind, place) = text.split_once(' ').ok_or_else(wrong)?;
        let kind = Kind::ALL.into_iter().find(|(name, _)| *name == kind);
        let (_, kind) = kind.ok_or("a proxy is one of PROXY, HTTPS, SOCKS5 and SOCKS")?;
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(wrong)?;
        Ok(Self {
            kind,
            host: self::host(host)?,
            port,
        })
    }
}

/// A name or an address, as it stands in front of a port.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok(match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
    }
    let wrong = || format!("`{}` is no name of a host", text.escape_debug());
    let name = DomainName::new(text).map_err(|problem| format!("{}: {problem}", wrong()))?;
    // A name of another alphabet is in its ASCII form by now; anything else has no place in a script.
    let name = name.to_string();
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().all(known) {
        true => Ok(name),
        false => Err(wrong()),
    }
}

/// The listeners that browsers can use, if they reach them by this name.
pub(super) fn of(doors: &[Door], host: &str, has_users: bool) -> Vec<Proxy> {
    let is_here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let mut proxies = Vec::new();
    for door in doors {
        let Some(address) = door.place.address() else {
            continue;
        };
        let is_local = address.ip().to_canonical().is_loopback();
        // A load balancer is in front, which has a port of its own.
        if (is_local && !is_here) || door.headers.is_some() {
            continue;
        }
        let takes = |protocol| door.protocols.contains(protocol);
        let kinds = match door.tls {
            Some(_) => [takes(Protocol::Http).then_some(Kind::Https), None, None],
            None => [
                takes(Protocol::Http).then_some(Kind::Proxy),
                takes(Protocol::Socks5).then_some(Kind::Socks5),
                takes(Protocol::Socks4).then_some(Kind::Socks),
            ],
        };
        proxies.extend(kinds.into_iter().flatten().map(|kind| Proxy {
            kind,
            host: host.to_owned(),
            port: address.port(),
        }));
    }
    proxies.sort_by_key(|proxy| proxy.kind);
    // Browsers have no passwords for SOCKS.
    if has_users && proxies.iter().any(|proxy| proxy.kind <= Kind::Proxy) {
        proxies.retain(|proxy| proxy.kind <= Kind::Proxy);
    }
    proxies
}
