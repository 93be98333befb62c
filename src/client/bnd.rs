//! Where the proxy means by its BND (RFC 1928 section 6).

use std::{
    any::Any,
    net::{IpAddr, SocketAddr},
};

use tokio::net::TcpStream;

use crate::{io::PrefixedStream, proto::Address, session::Connected};

/// The address of whoever is at the other end of `io`, where it is a TCP connection to that one and
/// not to a proxy on the way.
pub(super) fn peer_of<Io: 'static>(io: &Io) -> Option<SocketAddr> {
    let io: &dyn Any = io;
    let stream = io
        .downcast_ref::<TcpStream>()
        .or_else(|| io.downcast_ref().map(PrefixedStream::get_ref))
        .or_else(|| {
            let connected: &Connected<TcpStream> = io.downcast_ref()?;
            (!connected.is_through_proxy()).then(|| connected.get_ref())
        })?;
    stream.peer_addr().ok().map(plain)
}

/// BND with the proxy's own address in place of a wildcard (C7), which says "where you have reached
/// me".
pub(super) fn reachable(bound: Address, proxy: Option<SocketAddr>) -> Address {
    match (&bound, proxy) {
        (Address::Ip(address), Some(mut proxy)) if plain(*address).ip().is_unspecified() => {
            // This one keeps the scope of a link-local address.
            proxy.set_port(address.port());
            Address::Ip(proxy)
        }
        _ => bound,
    }
}

/// The IPv4 address in the clothes of IPv6, if it is one.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}
