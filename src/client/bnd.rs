//! Resolves a wildcard in a proxy's BND (RFC 1928 section 6).

use std::{any::Any, net::SocketAddr};

use tokio::net::TcpStream;

use crate::{
    io::PrefixedStream,
    proto::{Address, unmapped},
    session::Connected,
};

/// Returns the address of the other end of `io`, where that is a TCP connection straight to the proxy
/// and not through another one.
pub(super) fn peer_address<Io: 'static>(io: &Io) -> Option<SocketAddr> {
    let io: &dyn Any = io;
    let stream = io
        .downcast_ref::<TcpStream>()
        .or_else(|| io.downcast_ref().map(PrefixedStream::get_ref))
        .or_else(|| {
            let connected: &Connected<TcpStream> = io.downcast_ref()?;
            (!connected.is_through_proxy()).then(|| connected.get_ref())
        })?;
    stream.peer_addr().ok().map(unmapped)
}

/// Puts the proxy's own address in place of a wildcard BND (C7), which means the address at which
/// the client has reached the proxy.
pub(super) fn resolve_wildcard(bound: Address, proxy: Option<SocketAddr>) -> Address {
    match (&bound, proxy) {
        (Address::Ip(address), Some(mut proxy)) if unmapped(*address).ip().is_unspecified() => {
            // The peer's address has the scope of a link-local address, which BND does not carry.
            proxy.set_port(address.port());
            Address::Ip(proxy)
        }
        _ => bound,
    }
}
