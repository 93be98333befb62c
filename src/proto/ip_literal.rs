//! Non-canonical IP literals: names that resolvers take for addresses.
//!
//! Resolvers parse far more than the four-part decimal form: `127.1`, `0x7f000001`,
//! `017700000001` and `2130706433` all reach 127.0.0.1. A rule about names must not see a name
//! there. The notations are those of `inet_aton(3)`, and the test for "written like an IPv4
//! address" is that of the URL standard: the last label is a number. No top-level domain is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::InvalidName;

/// Parses an IP literal in any notation; `None` for a name.
///
/// # Errors
///
/// When it is written like an IP literal but is none: a resolver might still make an address of it.
pub(super) fn address_of(name: &str) -> Result<Option<IpAddr>, InvalidName> {
    let bare = name.trim_end_matches('.');
    if bare.is_empty() {
        return Err(InvalidName::Empty);
    }
    let unbracketed = bare
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    let v6 = unbracketed.unwrap_or(bare);
    if unbracketed.is_some() || v6.contains([':', '%', '[', ']']) {
        return match v6.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Some(IpAddr::V6(address).to_canonical())),
            Err(_) => Err(InvalidName::Address),
        };
    }
    if !ends_in_number(bare) {
        return Ok(None);
    }
    match inet_aton(bare) {
        Some(address) => Ok(Some(address.into())),
        None => Err(InvalidName::Address),
    }
}

/// Whether the last label is a number, in digits of any script.
pub(super) fn ends_in_number(name: &str) -> bool {
    // The dots that IDNA maps to a full stop count as well, and so do digits of other scripts.
    const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    let name = name.trim_end_matches(DOTS);
    let last = name.rsplit(DOTS).next().unwrap_or(name);
    if last.is_ascii() {
        last.bytes().all(|octet| octet.is_ascii_digit()) || number(last).is_some() || {
            let digits = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
            digits.is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))
        }
    } else {
        // Characters that IDNA drops may stand before and between the digits.
        last.starts_with(char::is_numeric)
            || (last.contains(char::is_numeric) && !last.contains(char::is_alphabetic))
    }
}

/// `a`, `a.b`, `a.b.c` or `a.b.c.d`, where the last part fills the octets that are left.
fn inet_aton(name: &str) -> Option<Ipv4Addr> {
    let mut address: u32 = 0;
    let mut parts = name.split('.').peekable();
    let mut left: u32 = 4;
    while let Some(part) = parts.next() {
        let value = number(part)?;
        left = left.checked_sub(1)?;
        if parts.peek().is_some() {
            let octet = u8::try_from(value).ok()?;
            // The last part needs room: at most three parts go before it.
            address |= u32::from(octet).checked_shl(8 * left)?;
        } else {
            let room = 8 * (left + 1);
            if room < 32 && value >> room != 0 {
                return None;
            }
            address |= value;
        }
    }
    Some(address.into())
}

/// A decimal, octal (`0`) or hexadecimal (`0x`) number.
fn number(part: &str) -> Option<u32> {
    let (digits, radix) = match part.as_bytes() {
        [b'0', b'x' | b'X', ..] => (part.get(2..)?, 16),
        [b'0', _, ..] => (part.get(1..)?, 8),
        _ => (part, 10),
    };
    // `from_str_radix` takes a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
