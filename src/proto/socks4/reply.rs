use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
};

use crate::proto::{Address, Decode, Decoded, Encoded, Error, reader::Reader};

/// The code of a reply. SOCKS4 assigns four; any other value keeps its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyCode(pub u8);

impl ReplyCode {
    /// X'5A': request granted.
    pub const GRANTED: Self = Self(0x5a);
    /// X'5B': request rejected or failed.
    pub const REJECTED: Self = Self(0x5b);
    /// X'5C': the server cannot connect to the client's identd.
    pub const NO_IDENTD: Self = Self(0x5c);
    /// X'5D': the client's identd and USERID disagree.
    pub const OTHER_USER: Self = Self(0x5d);
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyCode({:#04x})", self.0)
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::GRANTED => "request granted",
            Self::REJECTED => "request rejected or failed",
            Self::NO_IDENTD => "the server cannot connect to the client's identd",
            Self::OTHER_USER => "the client's identd tells another USERID",
            Self(other) => return write!(f, "reply code {other:#04x}"),
        })
    }
}

/// The server's reply.
///
/// ```text
/// +----+----+---------+-------+
/// | VN | CD | DSTPORT | DSTIP |
/// +----+----+---------+-------+
/// | 0  | 1  |    2    |   4   |
/// +----+----+---------+-------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// CD.
    pub code: ReplyCode,
    /// DSTIP and DSTPORT: what SOCKS5 calls BND.
    pub bound: SocketAddrV4,
}

impl Reply {
    /// Creates the reply to a request that is granted. Of an address that is no IPv4 address, only the port
    /// can be told.
    #[must_use]
    pub fn granted(bound: &Address) -> Self {
        let ip = match bound.ip().map(|address| address.ip().to_canonical()) {
            Some(IpAddr::V4(ip)) => ip,
            Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED,
        };
        Self {
            code: ReplyCode::GRANTED,
            bound: SocketAddrV4::new(ip, bound.port()),
        }
    }

    /// Creates the reply to a request that is rejected, or has failed: whatever the reason, there is one code.
    #[must_use]
    pub const fn rejected() -> Self {
        Self {
            code: ReplyCode::REJECTED,
            bound: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
        }
    }

    /// Encodes the frame as a server sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<8> {
        Encoded::new()
            .push(&[0, self.code.0])
            .push(&self.bound.port().to_be_bytes())
            .push(&self.bound.ip().octets())
    }
}

impl Decode for Reply {
    const MAX_LEN: usize = 8;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, Self::MAX_LEN, |reader| {
            reader.version(0)?;
            let code = ReplyCode(reader.octet()?);
            let port = reader.port()?;
            let ip = Ipv4Addr::from(reader.array::<4>()?);
            Ok(Self {
                code,
                bound: SocketAddrV4::new(ip, port),
            })
        })
    }
}
