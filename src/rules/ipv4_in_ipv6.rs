//! IPv4 addresses within IPv6 addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Forms of IPv6 addresses that embed IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Embedding {
    /// 64:ff9b::/96 (RFC 6052): the last 32 bits.
    Translated,
    /// 2002::/16 (RFC 3056): the 32 bits behind the prefix.
    SixToFour,
    /// 2001::/32 (RFC 4380): the server's behind the prefix, the client's inverted at the end.
    Teredo,
}

impl Embedding {
    pub(super) const fn of(address: Ipv6Addr) -> Option<Self> {
        match address.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(Self::Translated),
            [0x2002, ..] => Some(Self::SixToFour),
            [0x2001, 0, ..] => Some(Self::Teredo),
            _ => None,
        }
    }
}

/// Whether all of a network lies in one of the forms whose whole purpose it is to embed IPv4
/// addresses.
pub(super) fn is_embedding(address: IpAddr, len: u8) -> bool {
    let IpAddr::V6(address) = address else {
        return false;
    };
    match Embedding::of(address) {
        Some(Embedding::Translated) => len >= 96,
        Some(Embedding::SixToFour) => len >= 16,
        Some(Embedding::Teredo) => len >= 32,
        None => false,
    }
}

/// Extracts the IPv4 addresses that an address embeds, by which it is judged.
///
/// Besides the forms with prefixes of their own these are ISATAP's interface identifiers
/// (RFC 5214), which can stand behind any prefix.
pub(super) fn embedded(address: IpAddr) -> [Option<Ipv4Addr>; 2] {
    let IpAddr::V6(address) = address else {
        return [None; 2];
    };
    let [.., e, f, g, h] = address.segments();
    let last = (u32::from(g) << 16) | u32::from(h);
    match Embedding::of(address) {
        Some(Embedding::Translated) => [Some(Ipv4Addr::from_bits(last)), None],
        Some(Embedding::SixToFour) => {
            let [_, b, c, ..] = address.segments();
            let bits = (u32::from(b) << 16) | u32::from(c);
            [Some(Ipv4Addr::from_bits(bits)), None]
        }
        Some(Embedding::Teredo) => {
            let [_, _, c, d, ..] = address.segments();
            let server = (u32::from(c) << 16) | u32::from(d);
            [
                Some(Ipv4Addr::from_bits(server)),
                Some(Ipv4Addr::from_bits(!last)),
            ]
        }
        None if e & 0xfdff == 0 && f == 0x5efe => [Some(Ipv4Addr::from_bits(last)), None],
        None => [None; 2],
    }
}
