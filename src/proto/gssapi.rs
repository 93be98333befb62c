use super::{
    Decode, Decoded, Encoded, Error,
    reader::{Reader, Stop},
};

/// The head of a message of GSS-API (RFC 1961): what it is, and how many octets of token follow.
///
/// ```text
/// +------+------+-------+-------------------+
/// | VER  | MTYP |  LEN  |       TOKEN       |
/// +------+------+-------+-------------------+
/// | 0x01 |  1   |   2   | 0 to 65535 octets |
/// +------+------+-------+-------------------+
/// ```
///
/// The token is no part of it. A client states LEN before it has proven anything: so the head is read
/// by itself, and room for the token is made as the token arrives.
///
/// ```
/// use tower_socks::proto::{Decode, Decoded, GssapiHeader};
///
/// let bytes = b"\x01\x01\x00\x03tok";
/// assert_eq!(GssapiHeader::decode(bytes), Ok(Decoded::Done(GssapiHeader::Context(3), 4)));
/// // An abort has no more than two octets.
/// assert_eq!(GssapiHeader::decode(b"\x01\xff"), Ok(Decoded::Done(GssapiHeader::Abort, 2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GssapiHeader {
    /// MTYP X'01': the token belongs to the establishment of the context (sections 3.4 and 3.7). A
    /// server that has none left sends LEN 0.
    Context(u16),
    /// MTYP X'02': the token has a [`ProtectionLevel`] in it (section 4.3).
    Level(u16),
    /// MTYP X'03': the token is what was encapsulated (section 5).
    Data(u16),
    /// MTYP X'FF': the server refuses the client. Neither LEN nor a token follows (section 3.8).
    Abort,
}

impl GssapiHeader {
    /// The version octet of RFC 1961.
    const VERSION: u8 = 1;

    const CONTEXT: u8 = 0x01;
    const LEVEL: u8 = 0x02;
    const DATA: u8 = 0x03;
    const ABORT: u8 = 0xff;

    /// Returns the octets of token behind the head, 0 to 65,535.
    #[must_use]
    pub const fn token_len(&self) -> u16 {
        match *self {
            Self::Context(len) | Self::Level(len) | Self::Data(len) => len,
            Self::Abort => 0,
        }
    }

    /// Encodes the head. The token goes behind it.
    #[must_use]
    pub fn encode(&self) -> Encoded<4> {
        let (kind, len) = match *self {
            Self::Context(len) => (Self::CONTEXT, len),
            Self::Level(len) => (Self::LEVEL, len),
            Self::Data(len) => (Self::DATA, len),
            Self::Abort => return Encoded::new().push(&[Self::VERSION, Self::ABORT]),
        };
        Encoded::new()
            .push(&[Self::VERSION, kind])
            .push(&len.to_be_bytes())
    }

    /// Returns the token of a datagram that was encapsulated (section 5), and `None` for a datagram
    /// that is no whole message of MTYP X'03': its token has to end with the datagram.
    ///
    /// ```
    /// use tower_socks::proto::GssapiHeader;
    ///
    /// assert_eq!(GssapiHeader::token_of_datagram(b"\x01\x03\x00\x02ab"), Some(&b"ab"[..]));
    /// assert_eq!(GssapiHeader::token_of_datagram(b"\x01\x03\x00\x02abc"), None);
    /// ```
    #[must_use]
    pub fn token_of_datagram(datagram: &[u8]) -> Option<&[u8]> {
        match Self::decode(datagram) {
            Ok(Decoded::Done(Self::Data(len), taken)) => datagram
                .get(taken..)
                .filter(|token| token.len() == usize::from(len)),
            _ => None,
        }
    }
}

impl Decode for GssapiHeader {
    const MAX_LEN: usize = 4;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        // An abort is the shortest: more at once would wait for octets that never come.
        Reader::decode(bytes, 2, |reader| -> Result<Self, Stop> {
            reader.version(Self::VERSION)?;
            let of: fn(u16) -> Self = match reader.octet()? {
                Self::CONTEXT => Self::Context,
                Self::LEVEL => Self::Level,
                Self::DATA => Self::Data,
                Self::ABORT => return Ok(Self::Abort),
                other => return Err(Error::MessageType(other).into()),
            };
            Ok(of(u16::from_be_bytes(reader.array()?)))
        })
    }
}

/// How messages are protected once a context stands (RFC 1961 section 4.2).
///
/// The client asks for one, and the server answers with the one that rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtectionLevel(pub u8);

impl ProtectionLevel {
    /// 0: nothing is encapsulated behind the sub-negotiation. Not in the RFC, and the only one that
    /// curl speaks.
    pub const CLEAR: Self = Self(0);
    /// 1: each message is protected against change.
    pub const INTEGRITY: Self = Self(1);
    /// 2: each message is protected against change, and encrypted.
    pub const CONFIDENTIALITY: Self = Self(2);
    /// 3: each side chooses between the two for each message.
    pub const SELECTIVE: Self = Self(3);

    /// Reads the level out of what was in the token of a [`GssapiHeader::Level`]: exactly one octet, of
    /// any value.
    #[must_use]
    pub const fn from_octets(octets: &[u8]) -> Option<Self> {
        match *octets {
            [level] => Some(Self(level)),
            _ => None,
        }
    }
}
