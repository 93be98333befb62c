use std::fmt;

/// Why octets are no header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProxyHeader {
    /// They begin with neither of the two signatures.
    Signature,
    /// The line of version 1 is none.
    Line,
    /// 107 octets of version 1 have no end of line, or a header to be sent has no room for more.
    TooLong,
    /// Neither version 1 nor 2.
    Version(u8),
    /// A command other than LOCAL and PROXY.
    Command(u8),
    /// A family or a protocol that no stream has.
    Family(u8),
    /// The stated length does not hold the addresses of the family.
    Length(u16),
    /// A TLV is longer than what is left, or has a length that its type does not have.
    Tlv,
    /// The checksum is another one.
    Checksum,
}

impl fmt::Display for InvalidProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature => f.write_str("no PROXY header"),
            Self::Line => f.write_str("malformed line of a PROXY header"),
            Self::TooLong => f.write_str("PROXY header too long"),
            Self::Version(version) => write!(f, "PROXY header of unknown version {version}"),
            Self::Command(command) => write!(f, "PROXY header with unknown command {command}"),
            Self::Family(octet) => {
                write!(
                    f,
                    "PROXY header with address family and protocol {octet:#04x}"
                )
            }
            Self::Length(len) => write!(
                f,
                "PROXY header of length {len}, too short for its addresses"
            ),
            Self::Tlv => f.write_str("PROXY header with a malformed TLV"),
            Self::Checksum => f.write_str("PROXY header with a wrong checksum"),
        }
    }
}

impl std::error::Error for InvalidProxyHeader {}
