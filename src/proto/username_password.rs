use std::fmt;

use super::{
    Decode, Decoded, Encoded, Error,
    reader::{Reader, Stop},
};

/// A name and a password, as a client sends them (RFC 1929 section 2).
///
/// ```text
/// +----+------+----------+------+----------+
/// |VER | ULEN |  UNAME   | PLEN |  PASSWD  |
/// +----+------+----------+------+----------+
/// | 1  |  1   | 1 to 255 |  1   | 1 to 255 |
/// +----+------+----------+------+----------+
/// ```
///
/// Both are octets: NUL, colons and anything that is not UTF-8 are legal. A length of 0 decodes,
/// so that the server can send a failure. The password does not appear in `Debug`.
#[derive(Clone)]
pub struct Credentials {
    name: Box<[u8]>,
    password: Password,
}

impl Credentials {
    /// The version octet of the sub-negotiation.
    pub(crate) const VERSION: u8 = 1;

    /// Creates credentials; `None` when either part is longer than 255 octets.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Option<Self> {
        let name = name.into().into_boxed_slice();
        let password = Password(password.into().into_boxed_slice());
        let fits = |octets: &[u8]| octets.len() <= usize::from(u8::MAX);
        (fits(&name) && fits(&password.0)).then_some(Self { name, password })
    }

    /// Returns UNAME, 0 to 255 octets.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Returns PASSWD, 0 to 255 octets.
    #[must_use]
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Encodes the frame as a client sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<513> {
        let len = |octets: &[u8]| u8::try_from(octets.len()).unwrap_or(u8::MAX);
        Encoded::new()
            .push(&[Self::VERSION, len(&self.name)])
            .push(&self.name)
            .push(&[len(&self.password.0)])
            .push(&self.password.0)
    }
}

impl Decode for Credentials {
    const MAX_LEN: usize = 513;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 3, |reader| {
            reader.version(Self::VERSION)?;
            let len = reader.octet()?;
            let name = reader.slice(usize::from(len))?;
            let len = reader.octet()?;
            let password = reader.slice(usize::from(len))?;
            Ok(Self {
                name: name.into(),
                password: Password(password.into()),
            })
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("name", &format_args!("\"{}\"", self.name.escape_ascii()))
            .field("password", &self.password)
            .finish()
    }
}

/// A password, which is never printed: its `Debug` form is the same for all, and it has no
/// `Display`.
///
/// It has no `==` either, whose time would tell how long the common prefix is. Compare the octets
/// in constant time, or verify them by a password hash.
#[derive(Clone)]
pub struct Password(Box<[u8]>);

impl Password {
    /// Returns the octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The server's response to [`Credentials`] (RFC 1929 section 2).
///
/// ```text
/// +----+--------+
/// |VER | STATUS |
/// +----+--------+
/// | 1  |   1    |
/// +----+--------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserPassStatus(pub u8);

impl UserPassStatus {
    /// X'00': success.
    pub const SUCCESS: Self = Self(0x00);
    /// Any other value is a failure; X'01' is the one that we send.
    pub const FAILURE: Self = Self(0x01);

    /// Encodes the frame as a server sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<2> {
        Encoded::new().push(&[Credentials::VERSION, self.0])
    }
}

impl Decode for UserPassStatus {
    const MAX_LEN: usize = 2;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 2, |reader| -> Result<Self, Stop> {
            reader.version(Credentials::VERSION)?;
            Ok(Self(reader.octet()?))
        })
    }
}
