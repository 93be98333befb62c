//! `Proxy-Authorization` (RFC 9110 section 11.7.2), of which Basic is taken (RFC 7617).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::PROXY_AUTHORIZATION};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::{proto::Credentials, session::Stated};

/// The value of the field, as it was sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Authorization(Option<Box<[u8]>>);

impl Authorization {
    /// Takes the field out of a request.
    ///
    /// # Errors
    ///
    /// If there are several.
    pub(super) fn take(fields: &mut HeaderMap) -> Result<Self, Problem> {
        let mut values = fields.get_all(PROXY_AUTHORIZATION).iter();
        let value = values.next().map(|value| value.as_bytes().into());
        if values.next().is_some() {
            return Err(Problem::Malformed("several fields Proxy-Authorization"));
        }
        fields.remove(PROXY_AUTHORIZATION);
        Ok(Self(value))
    }

    /// Whether it is the same, in a time that tells nothing but lengths.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => one.ct_eq(other).into(),
            (None, None) => true,
            _ => false,
        }
    }

    /// Returns who the client states to be. Another scheme, and what does not decode, states nothing.
    pub(super) fn stated(&self) -> Stated {
        let credentials = self.0.as_deref().and_then(basic);
        credentials.map_or(Stated::Nothing, Stated::Password)
    }
}

/// Decodes `Basic BASE64`, with NAME:PASSWORD inside; `None` for anything else. The name ends at the first colon,
/// and each part has 255 octets at most, as in RFC 1929.
pub(super) fn basic(value: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|octet| *octet == b':')?;
    let (name, password) = decoded.split_at_checked(colon)?;
    Credentials::new(name, password.get(1..)?)
}
