use std::{error::Error, fmt, sync::Arc};

/// A field of the request, whose name and value are valid. Values are never printed: they may be
/// secret.
#[derive(Clone)]
pub(super) struct Header {
    name: Arc<str>,
    value: Arc<str>,
}

/// Says why a field cannot be sent with CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is not a token (RFC 9110 section 5.1): empty, or with an octet other than letters,
    /// digits and ``!#$%&'*+-.^_`|~``.
    Name,
    /// The value has a control character other than a tab, or white space at an end (RFC 9110
    /// section 5.5).
    Value,
    /// The field belongs to the request itself, or says that a body follows, which CONNECT does not
    /// have: `Host`, `Content-Length`, `Transfer-Encoding`, `Trailer`, `Expect`, `Upgrade`.
    Reserved,
}

const RESERVED: &[&str] = &[
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Trailer",
    "Expect",
    "Upgrade",
];

impl Header {
    pub(super) fn new(name: &str, value: &str) -> Result<Self, InvalidHeader> {
        let is_token =
            |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidHeader::Name);
        }
        // Without a control character no value ends the line.
        let is_control = |c: char| c.is_control() && c != '\t';
        if value.contains(is_control) || value.trim_matches([' ', '\t']) != value {
            return Err(InvalidHeader::Value);
        }
        if RESERVED.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            return Err(InvalidHeader::Reserved);
        }
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// As it is sent, without the end of the line.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

/// The name alone.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name of the field is no token",
            Self::Value => {
                "the value of the field has a control character, or white space at an end"
            }
            Self::Reserved => "this field belongs to the request itself",
        })
    }
}

impl Error for InvalidHeader {}
