//! Where a server is.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use super::error::InvalidRadius;

pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    /// Reads `host`, `host:port`, `address` or `[address]:port`.
    pub(super) fn new(stated: &str, port: u16) -> Result<Self, InvalidRadius> {
        let fail = || {
            InvalidRadius(format!(
                "{stated:?} is no server, such as radius.example, radius.example:{port} or [2001:db8::1]:{port}"
            ))
        };
        let (host, stated_port) = match stated.parse::<IpAddr>() {
            Ok(address) => (address.to_string(), None),
            Err(_) => match stated.strip_prefix('[') {
                Some(rest) => {
                    let (address, rest) = rest.split_once(']').ok_or_else(fail)?;
                    let address: Ipv6Addr = address.parse().map_err(|_| fail())?;
                    let port = match rest {
                        "" => None,
                        rest => Some(rest.strip_prefix(':').ok_or_else(fail)?),
                    };
                    (address.to_string(), port)
                }
                None => match stated.split_once(':') {
                    Some((host, port)) => (host.to_owned(), Some(port)),
                    None => (stated.to_owned(), None),
                },
            },
        };
        let port = stated_port
            .map_or(Ok(port), str::parse)
            .map_err(|_| fail())?;
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
        let is_host = host.parse::<IpAddr>().is_ok() || host.bytes().all(is_name);
        if host.is_empty() || !is_host || port == 0 {
            return Err(fail());
        }
        Ok(Self { host, port })
    }

    /// Whether it is in the Internet, as far as its address tells.
    pub(super) fn is_public(&self) -> bool {
        match self.host.parse() {
            Ok(IpAddr::V4(address)) => {
                !(address.is_loopback() || address.is_private() || address.is_link_local())
            }
            Ok(IpAddr::V6(address)) => {
                !(address.is_loopback()
                    || address.is_unique_local()
                    || address.is_unicast_link_local())
            }
            Err(_) => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}
