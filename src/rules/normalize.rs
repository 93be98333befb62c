//! Normalisation: names in the one form in which they are compared.

use std::{borrow::Cow, net::IpAddr};

use idna::AsciiDenyList;

use crate::proto::{DomainName, InvalidName, address_of};

/// A host as rules compare it.
pub(super) enum Host<'a> {
    /// Small letters, no dot at the end, Punycode for what is not ASCII (UTS 46).
    Name(Cow<'a, str>),
    /// A non-canonical IP literal.
    Address(IpAddr),
}

/// Normalises a host's name.
///
/// # Errors
///
/// When it is no name of a host and no address either: a resolver might still make something of it.
pub(super) fn normalized(name: &str) -> Result<Host<'_>, InvalidName> {
    let name: Cow<'_, str> = if name.is_ascii() {
        let name = name.trim_end_matches('.');
        if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name.into()
        }
    } else {
        let ascii = idna::domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::EMPTY)
            .map_err(|_| InvalidName::Octet)?;
        // What a character was mapped to may be anything: a space, a control character.
        let ascii = DomainName::new(ascii.trim_end_matches('.'))?;
        Cow::Owned(ascii.as_str().to_owned())
    };
    // To resolvers that read names as zone files have them, `ex\097mple.com` is example.com.
    if name.contains('\\') {
        return Err(InvalidName::Octet);
    }
    // After the mapping: digits of other scripts are digits now.
    Ok(match address_of(&name)? {
        Some(address) => Host::Address(address),
        None => Host::Name(name),
    })
}
