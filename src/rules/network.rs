use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net};

use super::error::InvalidCondition;

/// A block of addresses, such as `10.0.0.0/8` or `2001:db8::/32`; a single address is one as well.
///
/// An IPv4-mapped IPv6 network is the IPv4 network that it stands for.
///
/// ```
/// use tower_socks::rules::Network;
///
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert!(network.contains("192.0.2.7".parse().unwrap()));
/// assert_eq!("::ffff:192.0.2.0/120".parse::<Network>()?, network);
/// # Ok::<(), tower_socks::rules::InvalidCondition>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(pub(super) IpNet);

impl Network {
    /// Returns whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let Some((address, len)) = text.split_once('/') else {
            return match text.parse::<IpAddr>() {
                Ok(address) => Ok(address.into()),
                Err(_) => Err(InvalidCondition::new(format_args!(
                    "`{text}` is no network: write it like 192.0.2.0/24, or a single address"
                ))),
            };
        };
        let address: IpAddr = address.parse().map_err(|_| {
            InvalidCondition::new(format_args!(
                "`{text}` is no network: what stands before the slash is no address"
            ))
        })?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = len.bytes().all(|octet| octet.is_ascii_digit());
        let network = match len.parse() {
            Ok(len) if digits => IpNet::new(address, len).ok(),
            _ => None,
        };
        let network = network.ok_or_else(|| {
            InvalidCondition::new(format_args!(
                "`{text}` is no network: what stands behind the slash must be a number from 0 to \
                 {most}"
            ))
        })?;
        // Most often a slip: which of the two was meant?
        if network.trunc() != network {
            return Err(InvalidCondition::new(format_args!(
                "`{text}` is an address within a network: write {} for all of it, or {address} for \
                 the address alone",
                network.trunc()
            )));
        }
        Ok(Self(unmapped(network)))
    }
}

/// The IPv4 network that an IPv4-mapped one (RFC 4291 section 2.5.5.2) stands for.
fn unmapped(network: IpNet) -> IpNet {
    if let (IpNet::V6(v6), IpAddr::V4(v4)) = (network, network.addr().to_canonical())
        && let Some(len) = v6.prefix_len().checked_sub(96)
        && let Ok(network) = Ipv4Net::new(v4, len)
    {
        return network.into();
    }
    network
}

/// A single address without a prefix length.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
