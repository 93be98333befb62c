use std::{fmt, fmt::Write, net::IpAddr, ops::Deref, sync::Arc};

use super::{
    InvalidName,
    host::{self, Host},
};

/// A host name that fits into an address field (RFC 1928 section 5, ATYP X'03'), in normal form.
///
/// 1 to 255 octets of ASCII in small letters, without a dot at the end and without empty labels. Letters
/// of other scripts become A-labels (UTS 46) when a name is created or decoded, and nothing changes a name
/// later: what a policy judged is what is looked up, handed to another proxy, counted and logged. Two
/// names are equal if they are the same host.
///
/// Besides letters, digits, `-`, `_` and the dots it can have what RFC 3986 section 3.2.2 lets stand in the
/// host of a URI: `~!$&'()*+,;=`. It is never an IP literal in any notation, which is an address
/// ([`Address::new`](super::Address::new) takes both). Whether such a host exists is the resolver's
/// business. Clones share one allocation.
///
/// ```
/// use tower_socks::proto::{DomainName, InvalidName};
///
/// assert_eq!(DomainName::new("Bücher.Example.")?.as_str(), "xn--bcher-kva.example");
/// assert_eq!(DomainName::new("_srv.example")?.as_str(), "_srv.example");
/// assert_eq!(DomainName::new("a<b.example"), Err(InvalidName::Octet));
/// assert_eq!(DomainName::new("0x7f.1"), Err(InvalidName::Literal));
/// # Ok::<(), InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// The length of the longest name, in octets: as it is written, and in normal form.
    pub const MAX_LEN: usize = host::MAX_LEN;

    /// Creates a name, and brings it into normal form.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when it does not fit, no host can have it, or it is an address.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        match Host::parse(name)? {
            Host::Name(name) => Ok(Self::from_normal(&name)),
            Host::Ip(_) => Err(InvalidName::Literal),
        }
    }

    /// Returns the name that stands for an address in the DNS: its octets, or its nibbles, from the last to the
    /// first, below `in-addr.arpa` or `ip6.arpa`.
    pub(crate) fn pointing_to(address: IpAddr) -> Self {
        let mut name = String::with_capacity(72);
        let (octets, zone) = match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                // Writing to a string cannot fail.
                let _ = write!(name, "{d}.{c}.{b}.{a}.");
                return Self::from_normal(&(name + "in-addr.arpa"));
            }
            IpAddr::V6(address) => (address.octets(), "ip6.arpa"),
        };
        for octet in octets.iter().rev() {
            let _ = write!(name, "{:x}.{:x}.", octet & 0xf, octet >> 4);
        }
        Self::from_normal(&(name + zone))
    }

    /// Wraps a name that is in normal form.
    pub(super) fn from_normal(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for DomainName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
