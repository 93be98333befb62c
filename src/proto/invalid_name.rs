use std::fmt;

/// The reason why octets are not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// It has no octets, or dots only, or a label without octets.
    Empty,
    /// It has more than [`DomainName::MAX_LEN`](super::DomainName::MAX_LEN) octets, as it is written or in normal form.
    TooLong,
    /// It has a space, a control character, or something else that no name has, is not UTF-8, or is no
    /// name by UTS 46.
    Octet,
    /// It is written like an IP literal, but is none: `127.0.0.256`, `0x`, `fe80::1%eth0`.
    Address,
    /// It is an IP literal, where a name is wanted.
    Literal,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "host name is empty, or has an empty label",
            Self::TooLong => "host name is longer than 255 octets",
            Self::Octet => "host name has a character that no name has, or is not UTF-8",
            Self::Address => "host name is written like an address, but is none",
            Self::Literal => "it is an address and no host name",
        })
    }
}

impl std::error::Error for InvalidName {}
