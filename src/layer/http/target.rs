//! The request target (RFC 9112 section 3.2), and what of it is dialled.

use super::problem::Problem;
use crate::proto::{Address, Command, UdpOverTcp};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Authority-form: a tunnel to this address.
    Tunnel(Address),
    /// Absolute-form: whose server, and what of it, in origin-form.
    Origin(Address, String),
}

impl Target {
    /// Parses the target of a request with this method.
    ///
    /// # Errors
    ///
    /// When it names nothing that can be dialled.
    pub(super) fn parse(method: &str, target: &str) -> Result<Self, Problem> {
        if method == "CONNECT" {
            return tunnel(target).map(Self::Tunnel);
        }
        if target.starts_with('/') || target == "*" {
            return Err(Problem::Page);
        }
        let (scheme, rest) = target.split_once("://").ok_or(Problem::Malformed(
            "the target is neither a URL nor HOST:PORT of CONNECT",
        ))?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(Problem::Scheme);
        }
        if rest.contains('#') {
            return Err(Problem::Malformed("a URL with a fragment"));
        }
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(authority_end).unwrap_or((rest, ""));
        let path = match path.chars().next() {
            None if method == "OPTIONS" => "*".to_owned(),
            None => "/".to_owned(),
            Some('?') => format!("/{path}"),
            Some(_) => path.to_owned(),
        };
        origin(authority).map(|address| Self::Origin(address, path))
    }
}

/// Parses `HOST:PORT`, of which CONNECT has both. Where the name asks for UDP over TCP the port means nothing.
fn tunnel(authority: &str) -> Result<Address, Problem> {
    const FORM: Problem = Problem::Malformed("CONNECT needs HOST:PORT");

    let (host, port) = split(authority)?;
    let address = address(host, port.ok_or(FORM)?)?;
    match UdpOverTcp::of(Command::CONNECT, &address) {
        Some(_) => Ok(address),
        None => with_port(address),
    }
}

/// Parses the host and the port of a URL, 80 where it has none.
fn origin(authority: &str) -> Result<Address, Problem> {
    let (host, port) = split(authority)?;
    let port = port.filter(|port| !port.is_empty()).unwrap_or("80");
    address(host, port).and_then(with_port)
}

/// Splits an authority into its host and, if there is a colon, its port.
fn split(authority: &str) -> Result<(&str, Option<&str>), Problem> {
    if authority.contains('@') {
        // It would be the origin's, and a proxy that hands it on tells it to everybody behind.
        return Err(Problem::Malformed("a name or a password before the host"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The colon is one of the address.
        Some((_, last)) if last.ends_with(']') => (authority, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(Problem::Malformed("an IPv6 address without brackets"));
    }
    Ok((host, port))
}

fn address(host: &str, port: &str) -> Result<Address, Problem> {
    let digits = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits).ok_or(PORT)?;
    Address::new(host, port)
        .map_err(|_| Problem::Malformed("the host is neither a name nor an address"))
}

const PORT: Problem = Problem::Malformed("the port is not a number from 1 to 65535");

/// Nothing can be reached at port 0.
fn with_port(address: Address) -> Result<Address, Problem> {
    match address.port() {
        0 => Err(PORT),
        _ => Ok(address),
    }
}
