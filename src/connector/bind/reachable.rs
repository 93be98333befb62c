//! The address of this machine that the peer of a BIND can reach.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
};

use super::tunnel::Expected;
use crate::{connector::Outgoing, proto::Address};

/// The addresses to listen on where nobody knows who will come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListenAddresses {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl ListenAddresses {
    pub(super) const fn add(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.v4 = Some(address),
            IpAddr::V6(address) => self.v6 = Some(address),
        }
    }

    /// Returns the address to listen on: that from which we would go to the peer, and where `dst` does
    /// not say who that is, the one that is set, or `local`, on which the client reached us.
    pub(super) fn reachable(
        self,
        local: SocketAddr,
        dst: &Address,
        expected: &Expected,
        outgoing: &Outgoing,
    ) -> io::Result<SocketAddr> {
        let Expected::One(peers) = expected else {
            return Ok(self.for_anyone(local, dst));
        };
        let is_like_local = |peer: &&IpAddr| peer.is_ipv4() == local.is_ipv4();
        let Some(peer) = peers.iter().find(is_like_local).or(peers.first()) else {
            return Ok(self.for_anyone(local, dst));
        };
        if let Some(address) = outgoing.address_towards(*peer) {
            return Ok(SocketAddr::new(address, 0));
        }
        match source_towards(*peer, local) {
            // Without a route there may be one from the peer all the same.
            Err(_) if is_like_local(&peer) && !local.ip().is_unspecified() => Ok(local),
            source => source,
        }
    }

    fn for_anyone(self, local: SocketAddr, dst: &Address) -> SocketAddr {
        let (v4, v6) = (self.v4.map(IpAddr::V4), self.v6.map(IpAddr::V6));
        let of_family = |is_ipv4| if is_ipv4 { v4 } else { v6 };
        let set = dst.ip().and_then(|zeros| of_family(zeros.is_ipv4()));
        match set.or(of_family(local.is_ipv4())) {
            Some(address) => SocketAddr::new(address, 0),
            // A client on a Unix socket: this machine.
            None if local.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, 0).into(),
            None => local,
        }
    }
}

/// Returns the address from which this machine would go to a peer.
fn source_towards(peer: IpAddr, local: SocketAddr) -> io::Result<SocketAddr> {
    // A link-local peer is on the link of a link-local client.
    let scope = match local {
        SocketAddr::V6(local) => local.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let (any, peer): (IpAddr, SocketAddr) = match peer {
        IpAddr::V4(ip) => (Ipv4Addr::UNSPECIFIED.into(), (ip, 9).into()),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => (
            Ipv6Addr::UNSPECIFIED.into(),
            SocketAddrV6::new(ip, 9, 0, scope).into(),
        ),
        IpAddr::V6(ip) => (Ipv6Addr::UNSPECIFIED.into(), (ip, 9).into()),
    };
    // Connecting a UDP socket sends nothing; it asks the routing table.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    socket.local_addr()
}
