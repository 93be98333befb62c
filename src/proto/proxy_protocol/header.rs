use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{InvalidProxyHeader, ProxyTls, ProxyTlv, ProxyTlvs, addresses::Addresses, v1, v2};
use crate::proto::{Decode, Decoded, Error, address::canonical};

/// A header of HAProxy's PROXY protocol: what a load balancer says of the client whose connection it forwards.
///
/// It is the first thing on the connection. Version 1 is a line of text of at most 107 octets, version 2 has at most
/// 65,551. A reader should take fewer: [`stated_len`](Self::stated_len) tells early.
///
/// ```
/// use tower_socks::proto::{Decode, Decoded, ProxyHeader, ProxyTlv, ProxyVersion};
///
/// let line = b"PROXY TCP4 203.0.113.5 203.0.113.1 50000 1080\r\n\x05\x01\x00";
/// let Decoded::Done(header, 47) = ProxyHeader::decode(line)? else { unreachable!() };
/// assert_eq!(header.source(), Some("203.0.113.5:50000".parse().unwrap()));
///
/// let source = "[2001:db8::7]:50000".parse().unwrap();
/// let header = ProxyHeader::new(ProxyVersion::V2, source, "192.0.2.1:1080".parse().unwrap())
///     .with_tlv(ProxyTlv::AUTHORITY, b"example.com")?
///     .with_checksum()?;
/// let octets = header.encode();
/// let Decoded::Done(header, _) = ProxyHeader::decode(&octets)? else { unreachable!() };
/// assert_eq!(header.authority(), Some("example.com"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyHeader {
    version: ProxyVersion,
    addresses: Addresses,
    tlvs: Box<[u8]>,
}

/// The version of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text, which states addresses alone.
    V1,
    /// Octets, with TLVs.
    V2,
}

impl ProxyHeader {
    /// Creates a header for a client at `source` that connected to `destination`.
    #[must_use]
    pub fn new(version: ProxyVersion, source: SocketAddr, destination: SocketAddr) -> Self {
        Self::decoded(version, Addresses::Stated((source, destination)), &[])
    }

    /// Creates a header that says nothing of the client: UNKNOWN in version 1, UNSPEC in version 2.
    #[must_use]
    pub fn unknown(version: ProxyVersion) -> Self {
        Self::decoded(version, Addresses::Unknown, &[])
    }

    /// Creates a header of version 2 with the command LOCAL: the sender's own connection, such as a health check.
    #[must_use]
    pub fn local() -> Self {
        Self::decoded(ProxyVersion::V2, Addresses::Local, &[])
    }

    fn decoded(version: ProxyVersion, addresses: Addresses, tlvs: &[u8]) -> Self {
        let addresses = match addresses {
            Addresses::Stated((source, destination)) => {
                match (canonical(source), canonical(destination)) {
                    // No client has it, and limits would not count it.
                    (source, _) if source.ip().is_unspecified() => Addresses::Unknown,
                    both => Addresses::Stated(both),
                }
            }
            other @ (Addresses::Local | Addresses::Unknown) => other,
        };
        Self {
            version,
            addresses,
            tlvs: tlvs.into(),
        }
    }

    /// Adds an item; those of version 2 only.
    ///
    /// # Errors
    ///
    /// [`Version`](InvalidProxyHeader::Version) in version 1, [`TooLong`](InvalidProxyHeader::TooLong) without room:
    /// a header has about 65,000 octets of it.
    pub fn with_tlv(mut self, kind: u8, value: &[u8]) -> Result<Self, InvalidProxyHeader> {
        if self.version == ProxyVersion::V1 {
            return Err(InvalidProxyHeader::Version(1));
        }
        let mut tlvs = std::mem::take(&mut self.tlvs).into_vec();
        let len = u16::try_from(value.len()).map_err(|_| InvalidProxyHeader::TooLong)?;
        tlvs.push(kind);
        tlvs.extend_from_slice(&len.to_be_bytes());
        tlvs.extend_from_slice(value);
        if tlvs.len() > v2::ROOM {
            return Err(InvalidProxyHeader::TooLong);
        }
        self.tlvs = tlvs.into();
        Ok(self)
    }

    /// Adds a checksum of the whole header, which is computed when it is encoded.
    ///
    /// # Errors
    ///
    /// As [`with_tlv`](Self::with_tlv).
    pub fn with_checksum(self) -> Result<Self, InvalidProxyHeader> {
        self.with_tlv(ProxyTlv::CRC32C, &[0; 4])
    }

    /// Returns the octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let addresses = match self.addresses {
            Addresses::Local | Addresses::Unknown => None,
            // One family for both.
            Addresses::Stated((source, destination))
                if source.is_ipv4() != destination.is_ipv4() =>
            {
                Some((mapped(source), mapped(destination)))
            }
            Addresses::Stated(both) => Some(both),
        };
        match self.version {
            ProxyVersion::V1 => v1::encode(addresses),
            ProxyVersion::V2 => {
                v2::encode(self.addresses == Addresses::Local, addresses, &self.tlvs)
            }
        }
    }

    /// Returns how long the header is that begins with these octets, where version 2 has stated it by then.
    #[must_use]
    pub fn stated_len(octets: &[u8]) -> Option<usize> {
        let rest = octets.strip_prefix(v2::SIGNATURE.as_slice())?;
        let &[_, _, high, low, ..] = rest else {
            return None;
        };
        Some(16 + usize::from(u16::from_be_bytes([high, low])))
    }

    /// Returns the version.
    #[must_use]
    pub const fn version(&self) -> ProxyVersion {
        self.version
    }

    /// Returns whether the sender opened the connection for itself and not for a client (LOCAL), such as for a
    /// health check. Version 1 does not tell.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.addresses, Addresses::Local)
    }

    /// Returns the client's address. `None` where the sender does not know or say it: LOCAL, UNKNOWN, UNSPEC, 0.0.0.0,
    /// `::`, and the client of a Unix socket.
    #[must_use]
    pub const fn source(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Stated((source, _)) => Some(source),
            Addresses::Local | Addresses::Unknown => None,
        }
    }

    /// Returns the address that the client connected to, where there is a [`source`](Self::source).
    #[must_use]
    pub const fn destination(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Stated((_, destination)) => Some(destination),
            Addresses::Local | Addresses::Unknown => None,
        }
    }

    /// Returns the items of version 2.
    #[must_use]
    pub const fn tlvs(&self) -> ProxyTlvs<'_> {
        ProxyTlvs(&self.tlvs)
    }

    /// Returns the value of the first item of this type.
    #[must_use]
    pub fn tlv(&self, kind: u8) -> Option<&[u8]> {
        let found = self.tlvs().find(|tlv| tlv.kind == kind)?;
        Some(found.value)
    }

    /// Returns the protocol that ALPN selected.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tlv(ProxyTlv::ALPN)
    }

    /// Returns the name that the client asked for: of TLS the SNI.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        std::str::from_utf8(self.tlv(ProxyTlv::AUTHORITY)?).ok()
    }

    /// Returns the sender's number for the connection.
    #[must_use]
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.tlv(ProxyTlv::UNIQUE_ID)
    }

    /// Returns the sender's network namespace.
    #[must_use]
    pub fn netns(&self) -> Option<&str> {
        std::str::from_utf8(self.tlv(ProxyTlv::NETNS)?).ok()
    }

    /// Returns how the client speaks TLS to the sender.
    #[must_use]
    pub fn tls(&self) -> Option<ProxyTls<'_>> {
        ProxyTls::read(self.tlv(ProxyTlv::SSL)?)
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

impl Decode for ProxyHeader {
    const MAX_LEN: usize = 16 + u16::MAX as usize;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        let decoded = match bytes.first() {
            // The shortest line of version 1; version 2 has an octet more.
            None => Ok(Decoded::Need(15)),
            Some(b'P') => v1::decode(bytes).map(|decoded| match decoded {
                Decoded::Done(addresses, taken) => {
                    Decoded::Done(Self::decoded(ProxyVersion::V1, addresses, &[]), taken)
                }
                Decoded::Need(missing) => Decoded::Need(missing),
            }),
            Some(b'\r') => v2::decode(bytes).map(|decoded| match decoded {
                Decoded::Done((addresses, tlvs), taken) => {
                    Decoded::Done(Self::decoded(ProxyVersion::V2, addresses, tlvs), taken)
                }
                Decoded::Need(missing) => Decoded::Need(missing),
            }),
            Some(_) => Err(InvalidProxyHeader::Signature),
        };
        decoded.map_err(Error::ProxyHeader)
    }
}

/// The values of items are the sender's: they are not printed.
impl fmt::Debug for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHeader")
            .field("version", &self.version)
            .field("is_local", &self.is_local())
            .field("source", &self.source())
            .field("destination", &self.destination())
            .field("tlvs", &self.tlvs().count())
            .finish()
    }
}
