//! Prefixes by which an operator's network translates IPv4 (RFC 6052), besides 64:ff9b::/96.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{error::InvalidCondition, network::Network};

/// A prefix of 32, 40, 48, 56, 64 or 96 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nat64 {
    first: u128,
    len: u32,
}

impl Nat64 {
    pub(super) fn new(prefix: Network) -> Result<Self, InvalidCondition> {
        let len = u32::from(prefix.prefix_len());
        match prefix.first() {
            IpAddr::V6(first) if [32, 40, 48, 56, 64, 96].contains(&len) => Ok(Self {
                first: first.to_bits(),
                len,
            }),
            _ => Err(InvalidCondition::new(format_args!(
                "`{prefix}` is no prefix of a NAT64: it is an IPv6 network of 32, 40, 48, 56, 64 or 96 \
                 bits (RFC 6052 section 2.2)"
            ))),
        }
    }

    /// Whether all of a network lies in the prefix.
    pub(super) fn includes(&self, address: IpAddr, len: u8) -> bool {
        let IpAddr::V6(address) = address else {
            return false;
        };
        u32::from(len) >= self.len && (address.to_bits() ^ self.first) >> (128 - self.len) == 0
    }

    /// The IPv4 address in an address with the prefix: right behind it, around bits 64 to 71, which stay
    /// empty.
    pub(super) fn embedded(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        if !self.includes(IpAddr::V6(address), 128) {
            return None;
        }
        let octets = address.octets().into_iter().enumerate();
        let octets = octets.filter(|(place, _)| *place != 8 || self.len == 96);
        let octets = octets.map(|(_, octet)| octet).skip(self.len as usize / 8);
        let bits = octets
            .take(4)
            .fold(0, |bits, octet| bits << 8 | u32::from(octet));
        Some(Ipv4Addr::from_bits(bits))
    }
}
