//! `[replies]` of the file: the addresses that replies tell.

use serde::Deserialize;
use tower_socks::{
    HandshakeLayer,
    layer::{http::HttpLayer, mixed::MixedLayer, socks4::Socks4Layer},
    session::Protocol,
};

use crate::{bind::BindTable, listen::Protocols, public::PublicAddresses, timeouts::Timeouts};

/// `[replies]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replies {
    /// Whether the reply to CONNECT has the address that the target is connected from.
    bound: bool,
    /// Where BIND listens for a peer that nobody knows, one for each family.
    bind_address: PublicAddresses,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            bound: true,
            bind_address: PublicAddresses::default(),
        }
    }
}

impl Replies {
    /// What answers clients, in each protocol.
    pub(crate) fn front(&self, timeouts: &Timeouts, http: &HttpLayer) -> Front {
        let limit = timeouts.handshake.0;
        Front {
            socks5: HandshakeLayer::new()
                .deadline(limit)
                .reply_bound(self.bound),
            socks4: Socks4Layer::new().deadline(limit).reply_bound(self.bound),
            http: http.clone().deadline(limit),
        }
    }

    /// `[bind]` with what is said of it here.
    ///
    /// # Errors
    ///
    /// Both say it.
    pub(crate) fn with_bind_address(&self, bind: BindTable) -> Result<BindTable, String> {
        let stated = Some(&self.bind_address).filter(|addresses| !addresses.is_empty());
        match (stated, &bind.address) {
            (Some(_), Some(_)) => Err(
                "replies, bind_address: `address` of [bind] says the same: state one of them"
                    .into(),
            ),
            (Some(address), None) => Ok(bind.at(address.clone())),
            (None, _) => Ok(bind),
        }
    }
}

/// The protocols of clients, with their settings.
pub(crate) struct Front {
    socks5: HandshakeLayer,
    socks4: Socks4Layer,
    http: HttpLayer,
}

impl Front {
    /// What serves these of them on one port.
    pub(crate) fn layer(&self, protocols: Protocols) -> MixedLayer {
        let mut mixed = MixedLayer::new();
        if protocols.contains(Protocol::Socks5) {
            mixed = mixed.socks5(self.socks5.clone());
        }
        if protocols.contains(Protocol::Socks4) {
            mixed = mixed.socks4(self.socks4.clone());
        }
        if protocols.contains(Protocol::Http) {
            mixed = mixed.http(self.http.clone());
        }
        mixed
    }
}
