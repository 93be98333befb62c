//! Whether an address of this machine is one that a peer most likely cannot reach: that of a container, or behind a NAT.

use std::net::IpAddr;

/// Where an address means one host, from narrow to wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Nothing,
    Machine,
    Link,
    Site,
    World,
}

fn scope(address: IpAddr) -> Scope {
    let is_site = match address {
        IpAddr::V4(ip) => network(ip.octets()).is_some(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    let is_link = match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    match address {
        ip if ip.is_unspecified() => Scope::Nothing,
        ip if ip.is_loopback() => Scope::Machine,
        _ if is_link => Scope::Link,
        _ if is_site => Scope::Site,
        _ => Scope::World,
    }
}

/// The private network of an IPv4 address (RFC 1918 and RFC 6598), a number for each.
const fn network(octets: [u8; 4]) -> Option<u8> {
    match octets {
        [10, ..] => Some(0),
        [172, 16..=31, ..] => Some(1),
        [192, 168, ..] => Some(2),
        [100, 64..=127, ..] => Some(3),
        _ => None,
    }
}

/// Whether a peer at `peer` most likely cannot reach `told`. A guess: private networks can be routed to each other.
pub(super) fn is_out_of_reach(told: IpAddr, peer: IpAddr) -> bool {
    let (told_in, peer_in) = (scope(told), scope(peer));
    match (told, peer) {
        (IpAddr::V4(told), IpAddr::V4(peer)) if told_in == Scope::Site && told_in == peer_in => {
            network(told.octets()) != network(peer.octets())
        }
        // A peer without an address is on this machine.
        _ => told_in < peer_in,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_narrower_than_the_peer_is_out_of_its_reach() {
        for (told, peer, expected) in [
            ("172.17.0.2", "203.0.113.9", true),
            ("172.17.0.2", "192.168.1.50", true),
            ("172.17.0.2", "172.17.0.1", false),
            ("10.0.0.1", "10.200.0.1", false),
            ("100.64.0.7", "10.0.0.1", true),
            ("192.0.2.1", "203.0.113.9", false),
            ("203.0.113.9", "10.0.0.1", false),
            ("127.0.0.1", "10.0.0.1", true),
            ("127.0.0.1", "127.0.0.5", false),
            ("10.0.0.1", "127.0.0.1", false),
            ("0.0.0.0", "127.0.0.1", true),
            ("169.254.1.1", "10.0.0.1", true),
            ("fd00::1", "2001:db8::1", true),
            ("fd00::1", "fd77::1", false),
            ("fe80::1", "fe80::2", false),
            ("fe80::1", "fd00::2", true),
            ("::1", "fd00::2", true),
            ("fd00::1", "203.0.113.9", true),
            ("172.17.0.2", "0.0.0.0", false),
        ] {
            let [at, from] = [told, peer].map(|text| text.parse().unwrap());
            assert_eq!(is_out_of_reach(at, from), expected, "{told} for {peer}");
        }
    }
}
