use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use super::VERSION;
use crate::proto::{
    Address, Command, Decode, Decoded, Encoded, Error, InvalidName,
    reader::{Reader, Stop},
};

/// The client's request.
///
/// ```text
/// +----+----+---------+-------+----------+------+----------+------+
/// | VN | CD | DSTPORT | DSTIP |  USERID  | NULL |   NAME   | NULL |
/// +----+----+---------+-------+----------+------+----------+------+
/// | 1  | 1  |    2    |   4   | 0 to 255 |  1   | 1 to 255 |  1   |
/// +----+----+---------+-------+----------+------+----------+------+
/// ```
///
/// NAME is there only where DSTIP is 0.0.0.x and x is not zero (SOCKS4a). The protocol bounds neither field, and
/// here both have 255 octets at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// CD: of the commands of SOCKS5, 1 and 2.
    pub command: Command,
    /// DSTIP or NAME, and DSTPORT. A name is in normal form, and one that is an IP literal is its address.
    pub target: Address,
    /// USERID, a claim: 0 to 255 octets, none of them NUL.
    pub user_id: Box<[u8]>,
}

/// The longest USERID and the longest NAME, in octets.
const LONGEST: usize = 255;

impl Request {
    /// Encodes the frame as a client sends it: a name as SOCKS4a has it.
    ///
    /// # Errors
    ///
    /// [`Unencodable`], where the frame has no place for what it should say.
    pub fn encode(&self) -> Result<Encoded<520>, Unencodable> {
        let ip = match &self.target {
            Address::Name(..) => Ipv4Addr::new(0, 0, 0, 1),
            Address::Ip(address) => match address.ip().to_canonical() {
                IpAddr::V4(ip) if !stands_for_name(ip) => ip,
                _ => return Err(Unencodable::Target),
            },
        };
        if self.user_id.len() > LONGEST || self.user_id.contains(&0) {
            return Err(Unencodable::UserId);
        }
        let frame = Encoded::new()
            .push(&[VERSION, self.command.0])
            .push(&self.target.port().to_be_bytes())
            .push(&ip.octets())
            .push(&self.user_id)
            .push(&[0]);
        Ok(match &self.target {
            Address::Name(name, _) => frame.push(name.as_str().as_bytes()).push(&[0]),
            Address::Ip(_) => frame,
        })
    }
}

/// Whether a NAME follows.
fn stands_for_name(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [0, 0, 0, 1..=u8::MAX])
}

impl Decode for Request {
    const MAX_LEN: usize = 520;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 9, |reader| {
            reader.version(VERSION)?;
            let command = Command(reader.octet()?);
            let port = reader.port()?;
            let ip = Ipv4Addr::from(reader.array::<4>()?);
            let user_id = until_nul(reader, Error::UserId)?;
            let target = match stands_for_name(ip) {
                false => Address::Ip((ip, port).into()),
                true => {
                    let name = until_nul(reader, Error::Name(InvalidName::TooLong))?;
                    let name = str::from_utf8(name).map_err(|_| Error::Name(InvalidName::Octet))?;
                    Address::new(name, port).map_err(Error::Name)?
                }
            };
            Ok(Self {
                command,
                target,
                user_id: user_id.into(),
            })
        })
    }
}

/// Reads a field that ends with NUL, which is not part of it.
fn until_nul<'a>(reader: &mut Reader<'a>, too_long: Error) -> Result<&'a [u8], Stop> {
    match reader.until_nul(LONGEST) {
        Ok(Some(field)) => Ok(field),
        Ok(None) => Err(too_long.into()),
        Err(stop) => Err(stop),
    }
}

/// Why a request cannot be told in SOCKS4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unencodable {
    /// The target is an IPv6 address, or one that stands for a name (0.0.0.x).
    Target,
    /// The target is a name, and the proxy speaks SOCKS4 alone.
    Name,
    /// USERID has a NUL in it, or more than 255 octets.
    UserId,
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Target => "SOCKS4 has no place for the target's address",
            Self::Name => "SOCKS4 has no place for names, only SOCKS4a",
            Self::UserId => "USERID has a NUL in it, or more than 255 octets",
        })
    }
}

impl std::error::Error for Unencodable {}
