use std::fmt;

use super::{InvalidName, InvalidProxyHeader};

/// A message that can be read from the front of a byte slice.
pub trait Decode: Sized {
    /// Length of the longest encoding, in octets. A buffer of this size always suffices.
    const MAX_LEN: usize;

    /// Decodes one message from the front of `bytes`.
    ///
    /// Bytes behind the message are neither looked at nor counted.
    ///
    /// # Errors
    ///
    /// [`Error`] when no continuation of `bytes` is a message. It is reported as early as the bytes
    /// allow, so that a wrong first octet does not wait for a second one.
    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error>;
}

/// The result of [`Decode::decode`] for the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A whole message, and the number of octets that it took.
    Done(T, usize),
    /// The message is incomplete and lacks at least this many octets (never 0, and never more than
    /// the message really lacks).
    Need(usize),
}

/// An error of decoding: no continuation makes the bytes a message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The version octet is not the one that the message calls for.
    Version {
        /// The version of the RFC, or of SOCKS4.
        expected: u8,
        /// The octet that came.
        found: u8,
    },
    /// MTYP is none of 01, 02, 03 and FF (RFC 1961 section 3.4).
    MessageType(u8),
    /// ATYP is none of 01, 03 and 04 (RFC 1928 section 5).
    AddressType(u8),
    /// The name in an address field cannot be a host's.
    Name(InvalidName),
    /// USERID of SOCKS4 has more than 255 octets.
    UserId,
    /// A reserved field of a datagram header is not zero (RFC 1928 section 7).
    Reserved,
    /// HDRLEN of a frame is not the length of its header (FWD UDP).
    HeaderLength {
        /// HDRLEN.
        stated: u8,
        /// The octets of the header that came.
        found: usize,
    },
    /// A header of the PROXY protocol is none.
    ProxyHeader(InvalidProxyHeader),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { expected, found } => {
                write!(f, "version octet is {found:#04x}, expected {expected:#04x}")
            }
            Self::MessageType(octet) => write!(f, "unknown message type {octet:#04x}"),
            Self::AddressType(octet) => write!(f, "unknown address type {octet:#04x}"),
            Self::Name(reason) => write!(f, "{reason}"),
            Self::UserId => f.write_str("USERID has more than 255 octets"),
            Self::HeaderLength { stated, found } => {
                write!(f, "HDRLEN is {stated}, of a header of {found} octets")
            }
            Self::ProxyHeader(reason) => write!(f, "{reason}"),
            Self::Reserved => f.write_str("reserved octets are not zero"),
        }
    }
}

impl std::error::Error for Error {}

impl From<InvalidName> for Error {
    fn from(reason: InvalidName) -> Self {
        Self::Name(reason)
    }
}
