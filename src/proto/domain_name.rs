use std::{fmt, ops::Deref, sync::Arc};

/// A host name that fits into an address field (RFC 1928 section 5, ATYP X'03').
///
/// 1 to 255 octets of UTF-8 without NUL, spaces and control characters. Whether such a host exists
/// is the resolver's business. Clones share one allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// The length of the longest name, in octets.
    pub const MAX_LEN: usize = 255;

    /// Creates a name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when it does not fit, or no host can have it.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            Err(InvalidName::Empty)
        } else if name.len() > Self::MAX_LEN {
            Err(InvalidName::TooLong)
        } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            Err(InvalidName::Octet)
        } else {
            Ok(Self(name.into()))
        }
    }

    pub(super) fn from_bytes(name: &[u8]) -> Result<Self, InvalidName> {
        Self::new(std::str::from_utf8(name).map_err(|_| InvalidName::Octet)?)
    }

    /// Returns the name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for DomainName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The reason why octets are not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// It has no octets, or dots only.
    Empty,
    /// It has more than [`DomainName::MAX_LEN`] octets.
    TooLong,
    /// It has a NUL, a space, a control character, or octets that are not UTF-8.
    Octet,
    /// It is written like an IP literal, but is none: `127.0.0.256`, `0x`, `fe80::1%eth0`.
    Address,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "host name is empty",
            Self::TooLong => "host name is longer than 255 octets",
            Self::Octet => "host name has a NUL, space or control character, or is not UTF-8",
            Self::Address => "host name is written like an address, but is none",
        })
    }
}

impl std::error::Error for InvalidName {}
