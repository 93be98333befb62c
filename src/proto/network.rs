//! Blocks of addresses.

use std::{fmt, net::IpAddr, str::FromStr};

/// A block of addresses, such as `10.0.0.0/8` or `2001:db8::/32`; a single address is one as well.
///
/// An IPv4-mapped IPv6 network (RFC 4291 section 2.5.5.2) is the IPv4 network that it stands for.
///
/// ```
/// use tower_socks::proto::Network;
///
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert!(network.contains("192.0.2.7".parse().unwrap()));
/// assert_eq!("::ffff:192.0.2.0/120".parse::<Network>()?, network);
/// # Ok::<(), tower_socks::proto::InvalidNetwork>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// The first of its addresses, never an IPv4-mapped one of a network that is within them.
    first: IpAddr,
    /// Bits that are the same in all of them.
    prefix: u8,
}

impl Network {
    /// Returns whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()) & v4_mask(self.prefix) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()) & v6_mask(self.prefix) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Returns the first of its addresses.
    #[must_use]
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// Returns the length of the prefix, in bits: at most 32 for IPv4, and 128 for IPv6.
    #[must_use]
    pub const fn prefix_len(&self) -> u8 {
        self.prefix
    }
}

const fn v4_mask(prefix: u8) -> u32 {
    match u32::MAX.checked_shl(32 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

const fn v6_mask(prefix: u8) -> u128 {
    match u128::MAX.checked_shl(128 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

const fn longest(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the network that an address is in.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & v4_mask(prefix)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & v6_mask(prefix)).into()),
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let first = address.to_canonical();
        Self {
            first,
            prefix: longest(first),
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid =
            |problem: fmt::Arguments<'_>| InvalidNetwork(format!("`{text}` is {problem}"));
        let Some((address, len)) = text.split_once('/') else {
            return match text.parse::<IpAddr>() {
                Ok(address) => Ok(address.into()),
                Err(_) => Err(invalid(format_args!(
                    "no network: write it like 192.0.2.0/24, or a single address"
                ))),
            };
        };
        let address: IpAddr = address.parse().map_err(|_| {
            invalid(format_args!(
                "no network: what stands before the slash is no address"
            ))
        })?;
        let most = longest(address);
        let digits = len.bytes().all(|octet| octet.is_ascii_digit());
        let prefix = match len.parse() {
            Ok(prefix) if digits && prefix <= most => prefix,
            _ => {
                return Err(invalid(format_args!(
                    "no network: what stands behind the slash must be a number from 0 to {most}"
                )));
            }
        };
        let network = Self {
            first: first_of(address, prefix),
            prefix,
        };
        // Most often a slip: which of the two was meant?
        if network.first != address {
            return Err(invalid(format_args!(
                "an address within a network: write {network} for all of it, or {address} for the \
                 address alone"
            )));
        }
        Ok(network.unmapped())
    }
}

impl Network {
    /// The IPv4 network that an IPv4-mapped one stands for.
    const fn unmapped(self) -> Self {
        match (
            self.first,
            self.first.to_canonical(),
            self.prefix.checked_sub(96),
        ) {
            (IpAddr::V6(_), first @ IpAddr::V4(_), Some(prefix)) => Self { first, prefix },
            _ => self,
        }
    }
}

/// A single address without a prefix length.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == longest(self.first) {
            self.first.fmt(f)
        } else {
            write!(f, "{}/{}", self.first, self.prefix)
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why text is no [`Network`]. Says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork(String);

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidNetwork {}
