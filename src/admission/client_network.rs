//! The network of a client: what counts as one client in every limit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns the network that counts as one client: an IPv4 address, or an IPv6 /64, all of which one host
/// can have. `None` without an address, on a Unix socket.
pub(crate) fn client_network(address: IpAddr) -> Option<IpAddr> {
    network_of(address, 32, 64)
}

/// Returns the first address of the network with such prefixes for IPv4 and IPv6 that an address is in.
pub(crate) fn network_of(address: IpAddr, v4: u8, v6: u8) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_unspecified() {
        return None;
    }
    Some(match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4.min(32)));
            Ipv4Addr::from_bits(ip.to_bits() & mask.unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6.min(128)));
            Ipv6Addr::from_bits(ip.to_bits() & mask.unwrap_or(0)).into()
        }
    })
}
