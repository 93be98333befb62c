//! `[udp]` of the file: what clients of UDP ASSOCIATE are told, and whose datagrams count.

use std::{fmt, net::IpAddr, num::NonZeroUsize};

use serde::Deserialize;
use tower_socks::connector::{
    associate::{Associate, Filtering, MakeDirect},
    resolve::Resolve,
};

use crate::{
    ports::{Ports, TakenPorts},
    public::PublicAddresses,
};

/// What is stated, at the top level or of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Udp {
    public_address: Option<PublicAddresses>,
    pub(crate) ports: Option<Ports>,
    any_client_port: Option<bool>,
    filtering: Option<FilteringName>,
    destinations: Option<NonZeroUsize>,
    fragments: Option<Fragments>,
}

/// `filtering`, after the terms of RFC 4787.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FilteringName {
    Endpoint,
    Address,
    AddressAndPort,
}

/// `fragments`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fragments {
    Reassemble,
    Drop,
}

impl Udp {
    /// With what `base` says of the rest.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            public_address: self.public_address.clone().or(base.public_address.clone()),
            ports: self.ports.or(base.ports),
            any_client_port: self.any_client_port.or(base.any_client_port),
            filtering: self.filtering.or(base.filtering),
            destinations: self.destinations.or(base.destinations),
            fragments: self.fragments.or(base.fragments),
        }
    }

    /// The client's end.
    pub(crate) fn associate<S>(
        &self,
        mut associate: Associate<S>,
        taken: &TakenPorts,
    ) -> Associate<S> {
        for address in self.public_address() {
            associate = associate.public_address(address);
        }
        if let Some(ports) = self.ports {
            associate = associate.ports(taken.of(ports));
        }
        if self.fragments == Some(Fragments::Drop) {
            associate = associate.drop_fragments();
        }
        match self.any_client_port {
            Some(true) => associate.any_client_port(),
            Some(false) | None => associate,
        }
    }

    /// The end towards destinations.
    pub(crate) fn transports<R: Resolve>(&self, transports: MakeDirect<R>) -> MakeDirect<R> {
        let transports = match self.filtering {
            None => transports,
            Some(filtering) => transports.filtering(match filtering {
                FilteringName::Endpoint => Filtering::EndpointIndependent,
                FilteringName::Address => Filtering::AddressDependent,
                FilteringName::AddressAndPort => Filtering::AddressAndPortDependent,
            }),
        };
        match self.destinations {
            Some(limit) => transports.destinations(limit.get()),
            None => transports,
        }
    }

    fn public_address(&self) -> impl Iterator<Item = IpAddr> {
        self.public_address.iter().flat_map(PublicAddresses::iter)
    }
}

/// For people.
impl fmt::Display for Udp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.public_address {
            Some(addresses) => write!(f, "told to send to {addresses}")?,
            None => f.write_str("told to send to where they came in")?,
        }
        match self.ports {
            Some(ports) => write!(f, ", ports {ports}")?,
            None => f.write_str(", any port")?,
        }
        if self.any_client_port == Some(true) {
            f.write_str(", from any port of theirs")?;
        }
        f.write_str(match self.filtering {
            Some(FilteringName::Endpoint) => ", answers of anybody",
            Some(FilteringName::Address) | None => ", answers of hosts that were sent to",
            Some(FilteringName::AddressAndPort) => ", answers of ports that were sent to",
        })?;
        match self.fragments {
            Some(Fragments::Drop) => f.write_str(", no fragments"),
            Some(Fragments::Reassemble) | None => Ok(()),
        }
    }
}
