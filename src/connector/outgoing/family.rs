use std::net::IpAddr;

/// The families of addresses that are used, and which goes first where a name has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Both, in the order of the resolver.
    #[default]
    Both,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both, and IPv4 is tried first.
    Ipv4First,
    /// Both, and IPv6 is tried first.
    Ipv6First,
}

impl Family {
    pub(super) const fn includes(self, ip: IpAddr) -> bool {
        match self {
            Self::Both | Self::Ipv4First | Self::Ipv6First => true,
            Self::Ipv4 => ip.is_ipv4(),
            Self::Ipv6 => ip.is_ipv6(),
        }
    }

    /// Puts the addresses of the family that goes first in front, and leaves their order otherwise.
    pub(in crate::connector) fn sort(self, addresses: &mut [IpAddr]) {
        match self {
            Self::Both | Self::Ipv4 | Self::Ipv6 => {}
            Self::Ipv4First => addresses.sort_by_key(IpAddr::is_ipv6),
            Self::Ipv6First => addresses.sort_by_key(IpAddr::is_ipv4),
        }
    }
}
