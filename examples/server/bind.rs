//! `[bind]` of the file: where BIND waits for its peer, and what clients are told of that.

use std::fmt;

use serde::Deserialize;
use tower_socks::connector::bind::Bind;

use crate::{
    ports::{Ports, TakenPorts},
    public::PublicAddresses,
};

/// What is stated, at the top level or of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BindTable {
    public_address: Option<PublicAddresses>,
    pub(crate) ports: Option<Ports>,
    /// Where a peer is waited for that nobody knows.
    pub(crate) address: Option<PublicAddresses>,
}

impl BindTable {
    /// With peers that nobody knows waited for there.
    pub(crate) fn at(mut self, address: PublicAddresses) -> Self {
        self.address = Some(address);
        self
    }

    /// With what `base` says of the rest.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            public_address: self.public_address.clone().or(base.public_address.clone()),
            ports: self.ports.or(base.ports),
            address: self.address.clone().or(base.address.clone()),
        }
    }

    pub(crate) fn bind<R>(&self, mut bind: Bind<R>, taken: &TakenPorts) -> Bind<R> {
        for address in self.public_address.iter().flat_map(PublicAddresses::iter) {
            bind = bind.public_address(address);
        }
        for address in self.address.iter().flat_map(PublicAddresses::iter) {
            bind = bind.listen_address(address);
        }
        match self.ports {
            Some(ports) => bind.ports(taken.of(ports)),
            None => bind,
        }
    }
}

/// For people.
impl fmt::Display for BindTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.public_address {
            Some(addresses) => write!(f, "told {addresses}")?,
            None => f.write_str("told where is listened")?,
        }
        match self.ports {
            Some(ports) => write!(f, ", ports {ports}")?,
            None => f.write_str(", any port")?,
        }
        match &self.address {
            Some(addresses) => write!(f, ", unknown peers at {addresses}"),
            None => Ok(()),
        }
    }
}
