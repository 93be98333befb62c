use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs},
    str::FromStr,
};

use super::{DomainName, Encoded, InvalidName, host::Host};

/// A host, by address or by name, and a port (RFC 1928 section 5).
///
/// ```text
/// +------+----------+------+
/// | ATYP |   ADDR   | PORT |
/// +------+----------+------+
/// |  1   | Variable |  2   |      ATYP X'01': 4 octets of IPv4 address
/// +------+----------+------+      ATYP X'03': 1 octet of length and the name
///                                 ATYP X'04': 16 octets of IPv6 address
/// ```
///
/// ```
/// use tower_socks::proto::Address;
///
/// let address: Address = "[::1]:80".parse()?;
/// assert_eq!(address, Address::Ip(([0, 0, 0, 0, 0, 0, 0, 1], 80).into()));
///
/// // A non-canonical IP literal becomes the address that it stands for.
/// let address: Address = "0x7f.1:80".parse()?;
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// # Ok::<(), tower_socks::proto::ParseAddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// ATYP X'01' or X'04'. Flow label and scope of an IPv6 address do not travel.
    Ip(SocketAddr),
    /// ATYP X'03': a name and a port.
    Name(DomainName, u16),
}

/// The octets that tell the forms of an address apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressTypes {
    pub(super) ipv4: u8,
    pub(super) ipv6: u8,
    pub(super) name: u8,
}

/// ATYP of RFC 1928 section 5.
pub(super) const SOCKS5: AddressTypes = AddressTypes {
    ipv4: 0x01,
    ipv6: 0x04,
    name: 0x03,
};

impl Address {
    /// Octets of the shortest form: ATYP, the length of an empty name, and the port.
    pub(super) const SHORTEST: usize = 4;

    /// `0.0.0.0:0`: BND of a failure, or DST of a client that does not know its address yet.
    pub const UNSPECIFIED: Self =
        Self::Ip(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)));

    /// Creates an address from `host`: a name, or an IP literal in any notation (`127.1`, `0x7f000001`,
    /// `[::1]`, with or without a dot at its end, in digits of any script).
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when the host is neither.
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidName> {
        Ok(match Host::parse(host)? {
            Host::Ip(address) => Self::Ip(SocketAddr::new(address, port)),
            Host::Name(name) => Self::Name(DomainName::from_normal(&name), port),
        })
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// Returns the socket address, unless this is a name.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(..) => None,
        }
    }

    /// Returns the name, unless this is an address.
    #[must_use]
    pub const fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Ip(_) => None,
            Self::Name(name, _) => Some(name),
        }
    }

    /// Returns the canonical form, the one that policies decide on: an IPv4-mapped IPv6 address becomes
    /// the IPv4 address that a dial would reach. A name has no other form than its own.
    ///
    /// # Errors
    ///
    /// None: what is written like an IP literal is refused when an address is created or decoded.
    pub fn canonical(self) -> Result<Self, InvalidName> {
        Ok(match self {
            Self::Ip(address) => Self::Ip(canonical(address)),
            Self::Name(..) => self,
        })
    }

    /// Octets of ATYP, ADDR and PORT.
    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Self::Ip(SocketAddr::V4(_)) => 1 + 4 + 2,
            Self::Ip(SocketAddr::V6(_)) => 1 + 16 + 2,
            Self::Name(name, _) => 1 + 1 + name.len() + 2,
        }
    }

    pub(super) fn append_to<const N: usize>(&self, frame: Encoded<N>) -> Encoded<N> {
        self.append_as(SOCKS5, frame)
    }

    pub(super) fn append_as<const N: usize>(
        &self,
        types: AddressTypes,
        frame: Encoded<N>,
    ) -> Encoded<N> {
        match self {
            Self::Ip(address) => match address.ip() {
                IpAddr::V4(ip) => frame.push(&[types.ipv4]).push(&ip.octets()),
                IpAddr::V6(ip) => frame.push(&[types.ipv6]).push(&ip.octets()),
            },
            Self::Name(name, _) => frame
                .push(&[
                    types.name,
                    u8::try_from(name.as_str().len()).unwrap_or(u8::MAX),
                ])
                .push(name.as_str().as_bytes()),
        }
        .push(&self.port().to_be_bytes())
    }
}

/// Returns the IPv4 address of an IPv4-mapped IPv6 address, and any other without its flow label
/// and scope.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Turns an IPv4-mapped IPv6 address into the IPv4 address. Any other keeps its scope, without which a
/// link-local address cannot be used.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses `host:port`, with an IPv6 address in brackets. An IP literal in any notation becomes its
/// address. A link-local one may have a zone, by name or number, which becomes its scope:
/// `[fe80::1%eth0]:1080`. What comes from a peer has none, and [`Address::new`] takes none.
impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            return Err(ParseAddressError::Url);
        }
        let (host, port) = text.rsplit_once(':').ok_or(ParseAddressError::Port)?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(ParseAddressError::Brackets);
        }
        let digits = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
        match port.parse() {
            Ok(port) if digits && host.contains('%') => {
                let address = link_local(host, port);
                let address = address.ok_or(ParseAddressError::Host(InvalidName::Address));
                address.map(Self::Ip)
            }
            Ok(port) if digits => Self::new(host, port).map_err(ParseAddressError::Host),
            _ => Err(ParseAddressError::Port),
        }
    }
}

/// Parses a link-local address with its zone, in brackets.
fn link_local(host: &str, port: u16) -> Option<SocketAddr> {
    let host = host.strip_prefix('[')?.strip_suffix(']')?;
    let (address, zone) = host.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    if !address.is_unicast_link_local() {
        return None;
    }
    if let Ok(scope) = zone.parse() {
        return Some(SocketAddrV6::new(address, port, 0, scope).into());
    }
    // An address with a zone is no question to a name server, only one about the interfaces of this machine.
    let is_interface = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let zone = Some(zone).filter(|zone| !zone.is_empty() && zone.chars().all(is_interface))?;
    let host = format!("{address}%{zone}");
    (host.as_str(), port).to_socket_addrs().ok()?.next()
}

/// An error of parsing `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// The port is missing or not a number from 0 to 65535.
    Port,
    /// An IPv6 address stands without brackets.
    Brackets,
    /// It is a URL.
    Url,
    /// The host is neither a name nor an address.
    Host(InvalidName),
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => f.write_str("expected HOST:PORT with a port from 0 to 65535"),
            Self::Brackets => f.write_str("an IPv6 address needs brackets: [::1]:1080"),
            Self::Url => f.write_str("expected HOST:PORT and not a URL: leave out the scheme"),
            Self::Host(reason) => write!(f, "{reason}"),
        }
    }
}

impl std::error::Error for ParseAddressError {}
