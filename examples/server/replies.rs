//! `[replies]` of the file: the addresses that replies tell.

use std::net::IpAddr;

use serde::Deserialize;
use tower_socks::{
    HandshakeLayer,
    connector::{bind::Bind, resolve::SystemResolver},
};

use crate::timeouts::Timeouts;

/// `[replies]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replies {
    /// Whether the reply to CONNECT has the address that the target is connected from.
    bound: bool,
    /// Where BIND listens for a peer that nobody knows, one for each family.
    bind_address: Vec<IpAddr>,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            bound: true,
            bind_address: Vec::new(),
        }
    }
}

impl Replies {
    pub(crate) fn handshake(&self, timeouts: &Timeouts) -> HandshakeLayer {
        let layer = HandshakeLayer::new().deadline(timeouts.handshake.0);
        layer.reply_bound(self.bound)
    }

    pub(crate) fn bind(&self) -> Bind<SystemResolver> {
        let addresses = self.bind_address.iter();
        addresses.fold(Bind::new(), |bind, address| bind.listen_address(*address))
    }
}
