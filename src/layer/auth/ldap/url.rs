//! Where a server is: `ldap://HOST:PORT` and `ldaps://HOST:PORT`.

use std::fmt;

use tokio_rustls::rustls::pki_types::ServerName;

use crate::proto::Address;

/// How the octets to a server are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not at all.
    None,
    /// From the first octet on.
    Tls,
    /// Once it was asked for.
    StartTls,
}

/// A server.
#[derive(Clone, Debug)]
pub(super) struct Url {
    pub(super) address: Address,
    pub(super) protection: Protection,
    /// What its certificate has to be for.
    pub(super) name: ServerName<'static>,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fail = |what: &str| {
            Err(format!(
                "`{text}` {what}: it is ldaps://HOST, ldap://HOST, or one of them with :PORT"
            ))
        };
        let (protection, port, rest) = match text.split_once("://") {
            Some(("ldap", rest)) => (Protection::None, 389, rest),
            Some(("ldaps", rest)) => (Protection::Tls, 636, rest),
            _ => return fail("is no LDAP server"),
        };
        let host_port = rest.strip_suffix('/').unwrap_or(rest);
        if host_port.contains(['/', '?', '@']) {
            return fail("has more than a host and a port");
        }
        // The port of an IPv6 address is behind its bracket.
        let has_port = host_port.rfind(':') > host_port.rfind(']');
        let address = match has_port {
            true => host_port.parse::<Address>(),
            false => format!("{host_port}:{port}").parse(),
        };
        let Ok(address) = address else {
            return fail("has no host");
        };
        let name = match &address {
            Address::Ip(address) => ServerName::from(address.ip()),
            Address::Name(name, _) => match ServerName::try_from(name.to_string()) {
                Ok(name) => name,
                Err(_) => return fail("has a host that no certificate can have"),
            },
        };
        Ok(Self {
            address,
            protection,
            name,
        })
    }

    /// Whether anybody on the path reads passwords.
    pub(super) fn is_exposed(&self) -> bool {
        let is_here = match &self.address {
            Address::Ip(address) => address.ip().to_canonical().is_loopback(),
            Address::Name(name, _) => name.to_string() == "localhost",
        };
        self.protection == Protection::None && !is_here
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protection {
            Protection::Tls => "ldaps",
            Protection::None | Protection::StartTls => "ldap",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}
