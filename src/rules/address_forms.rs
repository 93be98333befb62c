//! An address and the IPv4 addresses embedded in it.

use std::net::{IpAddr, SocketAddr};

use super::{
    ipv4_in_ipv6::embedded,
    nat64::Nat64,
    special_purpose::{self, SpecialPurpose},
};

/// An address as it is written, and the IPv4 addresses that it embeds.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressForms {
    pub(super) written: IpAddr,
    pub(super) embedded: [Option<IpAddr>; 2],
    /// The special-purpose block of one of them.
    pub(super) special: Option<&'static SpecialPurpose>,
    /// The one that is written lies in such a block.
    pub(super) is_written_special: bool,
}

impl AddressForms {
    pub(super) fn of(address: SocketAddr, nat64: &[Nat64]) -> Self {
        let written = address.ip().to_canonical();
        let translated = match written {
            IpAddr::V6(address) => nat64.iter().find_map(|prefix| prefix.embedded(address)),
            IpAddr::V4(_) => None,
        };
        // The prefix is the operator's own: nothing is special about it.
        let (embedded, of_written) = match translated {
            Some(v4) => ([Some(v4), None], None),
            None => (embedded(written), special_purpose::block(written)),
        };
        let embedded = embedded.map(|address| address.map(IpAddr::V4));
        let mut forms = embedded.into_iter().flatten();
        Self {
            written,
            embedded,
            special: forms.find_map(special_purpose::block).or(of_written),
            is_written_special: of_written.is_some(),
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
