//! IANA's registries of special-purpose addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::ipv4_in_ipv6::Embedding;

/// A block of special-purpose addresses, with what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialPurpose {
    network: &'static str,
    purpose: &'static str,
    first: u128,
    len: u32,
}

impl SpecialPurpose {
    /// Returns the block, in CIDR notation.
    #[must_use]
    pub const fn network(&self) -> &'static str {
        self.network
    }

    /// Returns what the addresses are for, and where that is written.
    #[must_use]
    pub const fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// Whether it is all that no registry has given out, which no rule can state.
    pub(super) const fn is_reserved(&self) -> bool {
        self.len == 0
    }

    const fn v4(network: &'static str, octets: [u8; 4], len: u32, purpose: &'static str) -> Self {
        Self {
            network,
            purpose,
            first: u32::from_be_bytes(octets) as u128,
            len,
        }
    }

    const fn v6(
        network: &'static str,
        segments: [u16; 4],
        len: u32,
        purpose: &'static str,
    ) -> Self {
        let [a, b, c, d] = segments;
        let first = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits();
        Self {
            network,
            purpose,
            first,
            len,
        }
    }
}

impl fmt::Display for SpecialPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.purpose, self.network)
    }
}

/// The IANA IPv4 Special-Purpose Address Registry, all of it: also the blocks that are reachable,
/// since no proxy's client has business there. And multicast, which has a registry of its own.
/// Narrower blocks go before those that contain them.
///
/// Cloud platforms answer their own machines at 168.63.129.16 (Azure: DNS, DHCP and the machine's
/// configuration), which no registry has. What the others have for that is link-local (169.254.169.254),
/// shared (100.100.100.200) or unique local (fd00:ec2::254).
const V4: [SpecialPurpose; 18] = [
    SpecialPurpose::v4("0.0.0.0/8", [0, 0, 0, 0], 8, "this network (RFC 791)"),
    SpecialPurpose::v4("10.0.0.0/8", [10, 0, 0, 0], 8, "private use (RFC 1918)"),
    SpecialPurpose::v4(
        "100.64.0.0/10",
        [100, 64, 0, 0],
        10,
        "shared address space (RFC 6598)",
    ),
    SpecialPurpose::v4("127.0.0.0/8", [127, 0, 0, 0], 8, "loopback (RFC 1122)"),
    SpecialPurpose::v4(
        "168.63.129.16/32",
        [168, 63, 129, 16],
        32,
        "cloud platform (Azure)",
    ),
    SpecialPurpose::v4(
        "169.254.0.0/16",
        [169, 254, 0, 0],
        16,
        "link-local (RFC 3927)",
    ),
    SpecialPurpose::v4(
        "172.16.0.0/12",
        [172, 16, 0, 0],
        12,
        "private use (RFC 1918)",
    ),
    SpecialPurpose::v4(
        "192.0.0.0/24",
        [192, 0, 0, 0],
        24,
        "IETF protocol assignments (RFC 6890)",
    ),
    SpecialPurpose::v4(
        "192.0.2.0/24",
        [192, 0, 2, 0],
        24,
        "documentation (RFC 5737)",
    ),
    SpecialPurpose::v4("192.31.196.0/24", [192, 31, 196, 0], 24, "AS112 (RFC 7535)"),
    SpecialPurpose::v4("192.52.193.0/24", [192, 52, 193, 0], 24, "AMT (RFC 7450)"),
    SpecialPurpose::v4(
        "192.88.99.0/24",
        [192, 88, 99, 0],
        24,
        "deprecated 6to4 relays (RFC 7526)",
    ),
    SpecialPurpose::v4(
        "192.168.0.0/16",
        [192, 168, 0, 0],
        16,
        "private use (RFC 1918)",
    ),
    SpecialPurpose::v4("192.175.48.0/24", [192, 175, 48, 0], 24, "AS112 (RFC 7534)"),
    SpecialPurpose::v4(
        "198.18.0.0/15",
        [198, 18, 0, 0],
        15,
        "benchmarking (RFC 2544)",
    ),
    SpecialPurpose::v4(
        "198.51.100.0/24",
        [198, 51, 100, 0],
        24,
        "documentation (RFC 5737)",
    ),
    SpecialPurpose::v4(
        "203.0.113.0/24",
        [203, 0, 113, 0],
        24,
        "documentation (RFC 5737)",
    ),
    // 224.0.0.0/4 and 240.0.0.0/4 in one comparison; told apart in `v4`.
    SpecialPurpose::v4(
        "224.0.0.0/3",
        [224, 0, 0, 0],
        3,
        "multicast and reserved (RFC 5771, RFC 1112)",
    ),
];

const MULTICAST_V4: SpecialPurpose =
    SpecialPurpose::v4("224.0.0.0/4", [224, 0, 0, 0], 4, "multicast (RFC 5771)");
const RESERVED_V4: SpecialPurpose =
    SpecialPurpose::v4("240.0.0.0/4", [240, 0, 0, 0], 4, "reserved (RFC 1112)");
const BROADCAST_V4: SpecialPurpose = SpecialPurpose::v4(
    "255.255.255.255/32",
    [255; 4],
    32,
    "limited broadcast (RFC 919)",
);

/// The IANA IPv6 Special-Purpose Address Registry. Forms that embed an IPv4 address are judged by
/// that one instead: see [`Embedding`].
const V6: [SpecialPurpose; 16] = [
    SpecialPurpose::v6(
        "64:ff9b:1::/48",
        [0x64, 0xff9b, 1, 0],
        48,
        "local-use translation (RFC 8215)",
    ),
    SpecialPurpose::v6("100::/64", [0x100, 0, 0, 0], 64, "discard only (RFC 6666)"),
    SpecialPurpose::v6(
        "100:0:0:1::/64",
        [0x100, 0, 0, 1],
        64,
        "dummy prefix (RFC 9780)",
    ),
    SpecialPurpose::v6(
        "2001:2::/48",
        [0x2001, 2, 0, 0],
        48,
        "benchmarking (RFC 5180)",
    ),
    SpecialPurpose::v6("2001:3::/32", [0x2001, 3, 0, 0], 32, "AMT (RFC 7450)"),
    SpecialPurpose::v6(
        "2001:4:112::/48",
        [0x2001, 4, 0x112, 0],
        48,
        "AS112 (RFC 7535)",
    ),
    SpecialPurpose::v6(
        "2001:10::/28",
        [0x2001, 0x10, 0, 0],
        28,
        "deprecated ORCHID (RFC 4843)",
    ),
    SpecialPurpose::v6(
        "2001:20::/28",
        [0x2001, 0x20, 0, 0],
        28,
        "ORCHIDv2 (RFC 7343)",
    ),
    SpecialPurpose::v6(
        "2001:30::/28",
        [0x2001, 0x30, 0, 0],
        28,
        "drone remote identification (RFC 9374)",
    ),
    SpecialPurpose::v6(
        "2001::/23",
        [0x2001, 0, 0, 0],
        23,
        "IETF protocol assignments (RFC 2928)",
    ),
    SpecialPurpose::v6(
        "2001:db8::/32",
        [0x2001, 0xdb8, 0, 0],
        32,
        "documentation (RFC 3849)",
    ),
    SpecialPurpose::v6(
        "2620:4f:8000::/48",
        [0x2620, 0x4f, 0x8000, 0],
        48,
        "AS112 (RFC 7534)",
    ),
    SpecialPurpose::v6(
        "3fff::/20",
        [0x3fff, 0, 0, 0],
        20,
        "documentation (RFC 9637)",
    ),
    SpecialPurpose::v6("fc00::/7", [0xfc00, 0, 0, 0], 7, "unique local (RFC 4193)"),
    SpecialPurpose::v6("fe80::/10", [0xfe80, 0, 0, 0], 10, "link-local (RFC 4291)"),
    SpecialPurpose::v6("ff00::/8", [0xff00, 0, 0, 0], 8, "multicast (RFC 4291)"),
];

const UNSPECIFIED_V6: SpecialPurpose =
    SpecialPurpose::v6("::/128", [0, 0, 0, 0], 128, "unspecified (RFC 4291)");
const LOOPBACK_V6: SpecialPurpose = SpecialPurpose {
    network: "::1/128",
    purpose: "loopback (RFC 4291)",
    first: 1,
    len: 128,
};
const SEGMENTS_V6: SpecialPurpose = SpecialPurpose::v6(
    "5f00::/16",
    [0x5f00, 0, 0, 0],
    16,
    "segment routing SIDs (RFC 9602)",
);
/// What no registry has given out: global unicast is 2000::/3.
const RESERVED_V6: SpecialPurpose = SpecialPurpose::v6(
    "::/0",
    [0, 0, 0, 0],
    0,
    "reserved, outside of 2000::/3 (RFC 4291)",
);

/// The block that an address lies in, unless it is an ordinary one.
///
/// An address that embeds IPv4 addresses is special where one of those is; their own prefixes are
/// no reason. Asked with the canonical form: no IPv4-mapped one.
pub(super) fn block(address: IpAddr) -> Option<&'static SpecialPurpose> {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Option<&'static SpecialPurpose> {
    let bits = address.to_bits();
    // Most of what is asked about is an ordinary address, and most of the list is 192.
    let block = V4
        .iter()
        .find(|block| u128::from(bits >> (32 - block.len) << (32 - block.len)) == block.first)?;
    Some(match block.len {
        3 if address == Ipv4Addr::BROADCAST => &BROADCAST_V4,
        3 if address.is_multicast() => &MULTICAST_V4,
        3 => &RESERVED_V4,
        _ => block,
    })
}

fn v6(address: Ipv6Addr) -> Option<&'static SpecialPurpose> {
    if Embedding::of(address).is_some() {
        return None;
    }
    let bits = address.to_bits();
    let lies_in = |block: &&SpecialPurpose| (bits ^ block.first) >> (128 - block.len) == 0;
    if bits >> 125 == 1 {
        return V6.iter().find(lies_in);
    }
    Some(match address {
        Ipv6Addr::UNSPECIFIED => &UNSPECIFIED_V6,
        Ipv6Addr::LOCALHOST => &LOOPBACK_V6,
        _ => V6
            .iter()
            .chain([&SEGMENTS_V6])
            .find(lies_in)
            .unwrap_or(&RESERVED_V6),
    })
}

/// Whether all of a network lies in one special-purpose block. It is what a rule has to state to
/// open such addresses.
pub(super) fn is_within(first: IpAddr, len: u8) -> bool {
    let len = u32::from(len);
    let first = match first {
        IpAddr::V4(address) => return v4(address).is_some_and(|block| block.len <= len),
        IpAddr::V6(address) => address.to_bits(),
    };
    let mut blocks = V6
        .iter()
        .chain([&SEGMENTS_V6, &UNSPECIFIED_V6, &LOOPBACK_V6]);
    // Blocks contain others: what begins in the narrower one may lie in the wider one.
    let agree = |other: u128, len: u32| (first ^ other).unbounded_shr(128 - len) == 0;
    let around = |block: &SpecialPurpose| block.len <= len && agree(block.first, block.len);
    // What is reserved is all the rest outside of 2000::/3.
    blocks.clone().any(around)
        || !agree(1 << 125, len.min(3)) && !blocks.any(|block| agree(block.first, len))
}
