//! An address and the IPv4 addresses embedded in it.

use std::net::{IpAddr, SocketAddr};

use super::{
    ipv4_in_ipv6::embedded,
    special_purpose::{self, SpecialPurpose},
};

/// An address as it is written, and the IPv4 addresses that it embeds.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressForms {
    pub(super) written: IpAddr,
    pub(super) embedded: [Option<IpAddr>; 2],
    /// The special-purpose block of one of them.
    pub(super) special: Option<&'static SpecialPurpose>,
}

impl AddressForms {
    pub(super) fn of(address: SocketAddr) -> Self {
        let written = address.ip().to_canonical();
        let embedded = embedded(written).map(|address| address.map(IpAddr::V4));
        let mut forms = embedded.into_iter().flatten().chain([written]);
        Self {
            written,
            embedded,
            special: forms.find_map(special_purpose::block),
        }
    }

    /// Lists them, the one that is written first.
    pub(super) fn all(&self) -> impl Iterator<Item = IpAddr> {
        [Some(self.written)]
            .into_iter()
            .chain(self.embedded)
            .flatten()
    }
}
