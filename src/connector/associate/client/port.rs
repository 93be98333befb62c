//! The port of the client's address from which an association takes datagrams.

use std::{net::SocketAddr, time::Duration};

use tokio::time::Instant;

use crate::{
    datagram::is_own_relay,
    io::DropReason,
    proto::{Address, canonical, unmapped},
    relay::after,
};

/// The ports of the client's address that count.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum ClientPorts {
    /// The one that the request states, or that of the first valid datagram. After so much silence
    /// of the latter, that of the next.
    One { silence: Duration },
    /// All, and the latest is answered.
    Any,
}

/// Where the datagrams of an association come from, and where answers go.
#[derive(Debug)]
pub(in super::super) struct ClientPort {
    /// With the latest port, or 0 before the first.
    address: SocketAddr,
    /// No other port counts.
    is_fixed: bool,
    /// How long a port is kept that nobody has stated; `None` for no time at all.
    silence: Option<Duration>,
    is_stated: bool,
    /// The last sign of life.
    heard: Instant,
}

impl ClientPort {
    /// A client at this address, whose request states where it will send from (RFC 1928 section 4).
    pub(in super::super) fn new(client: SocketAddr, stated: &Address, ports: ClientPorts) -> Self {
        let mut address = client;
        let port = stated_port(client, stated).unwrap_or(0);
        let silence = match ports {
            ClientPorts::One { silence } => Some(silence),
            ClientPorts::Any => None,
        };
        let is_stated = port != 0 && silence.is_some();
        address.set_port(if is_stated { port } else { 0 });
        Self {
            address,
            is_fixed: is_stated,
            silence,
            is_stated,
            heard: Instant::now(),
        }
    }

    /// Returns where answers go, once that is known.
    pub(in super::super) fn address(&self) -> Option<SocketAddr> {
        (self.address.port() != 0).then_some(self.address)
    }

    /// Returns the only address whose datagrams count, if there is one.
    pub(in super::super) fn only(&self) -> Option<SocketAddr> {
        self.is_fixed.then_some(self.address)
    }

    /// Whether a datagram from this source is the client's.
    ///
    /// # Errors
    ///
    /// Why the datagram is dropped.
    pub(in super::super) fn check(&self, source: SocketAddr) -> Result<(), DropReason> {
        let is_client = is_same_host(self.address, source)
            && (!self.is_fixed || self.address.port() == source.port());
        match is_client {
            false => Err(DropReason::Stranger),
            // A relay of ours that has this association for its client.
            true if is_own_relay(source) => Err(DropReason::SelfConnection),
            true => Ok(()),
        }
    }

    /// Notes a valid datagram of the client's.
    pub(in super::super) fn took(&mut self, source: SocketAddr) {
        self.address = source;
        self.is_fixed = self.silence.is_some();
    }

    /// Notes a sign of life.
    pub(in super::super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Returns when the port is no longer the only one, unless the client is heard before.
    pub(in super::super) fn until(&self) -> Option<Instant> {
        let silence = self.silence.filter(|_| self.is_fixed && !self.is_stated)?;
        Some(after(self.heard, silence))
    }

    /// Lets the next valid datagram choose the port.
    pub(in super::super) const fn release(&mut self) {
        self.is_fixed = self.is_stated;
    }
}

/// Returns the port that the request states, if it means this client's address. An address that is not
/// the client's is one behind a NAT, where the port is another as well.
fn stated_port(client: SocketAddr, stated: &Address) -> Option<u16> {
    let stated = canonical(stated.ip()?);
    let means_client = stated.ip().is_unspecified() || stated.ip() == client.ip();
    (means_client && stated.port() != 0).then_some(stated.port())
}

/// Whether both are addresses of one host. Link-local addresses are those of a link.
fn is_same_host(one: SocketAddr, other: SocketAddr) -> bool {
    let scope = |address| match unmapped(address) {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    };
    one.ip() == other.ip() && scope(one) == scope(other)
}
