//! The normal form of a host, the one form in which a name is judged, looked up, handed on, counted
//! and logged.

use std::{borrow::Cow, net::IpAddr};

use idna::AsciiDenyList;

use super::{InvalidName, ip_literal};

/// The length of the longest name, in octets.
pub(super) const MAX_LEN: usize = 255;

/// A host: an address, or a name in normal form.
#[derive(Debug)]
pub(crate) enum Host<'a> {
    /// An IP literal in any notation.
    Ip(IpAddr),
    /// Anything else.
    Name(Cow<'a, str>),
}

impl<'a> Host<'a> {
    /// Parses a name or an IP literal in any notation.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub(crate) fn parse(text: &'a str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(InvalidName::TooLong);
        }
        if text.is_ascii() {
            return Self::from_ascii(text);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidName::Octet);
        }
        let Ok(ascii) = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY) else {
            return Err(match ip_literal::ends_in_number(text) {
                true => InvalidName::Address,
                false => InvalidName::Octet,
            });
        };
        // What a character was mapped to may be anything: a digit, a space, a colon.
        match Host::from_ascii(&ascii) {
            Ok(Host::Ip(address)) => Ok(Self::Ip(address)),
            // Digits that this mapping leaves as they are may be some to another one.
            Ok(Host::Name(_)) if ip_literal::ends_in_number(text) => Err(InvalidName::Address),
            Ok(Host::Name(name)) => Ok(Self::Name(name.into_owned().into())),
            Err(problem) => Err(problem),
        }
    }

    fn from_ascii(text: &'a str) -> Result<Self, InvalidName> {
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(InvalidName::Octet);
        }
        let name = text.trim_end_matches('.');
        if let Some(address) = ip_literal::address_of(name)? {
            return Ok(Self::Ip(address));
        }
        if !name.bytes().all(may_be_in_a_name) {
            return Err(InvalidName::Octet);
        }
        if name.len() > MAX_LEN {
            return Err(InvalidName::TooLong);
        }
        if name.split('.').any(str::is_empty) {
            return Err(InvalidName::Empty);
        }
        Ok(Self::Name(
            if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
                name.to_ascii_lowercase().into()
            } else {
                name.into()
            },
        ))
    }
}

/// Whether an octet can stand in a name: what RFC 3986 section 3.2.2 lets stand in the host of a URI.
///
/// Neither `\`, by which resolvers that read names as zone files have them write any octet
/// (`ex\097mple.com`), nor what ends a host elsewhere (`/`, `:`, `@`, `<`), nor `%`.
fn may_be_in_a_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&octet)
}
