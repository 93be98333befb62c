//! What BND of a proxy's reply leads to (RFC 1928 section 6): wildcards, and relays that are elsewhere.

use std::{
    any::Any,
    net::{IpAddr, SocketAddr},
};

use tokio::net::TcpStream;

use crate::{
    client::ClientError,
    datagram::is_unicast,
    io::{BoxStream, PrefixedStream, Raw},
    proto::{Address, unmapped},
    session::Connected,
};

/// What is known of the proxy's address.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProxyAddress {
    /// It is the address of the stream's other end.
    Peer,
    /// It is this one, with any port.
    Known(SocketAddr),
    /// Nothing: the stream goes through another proxy.
    Unknown,
}

impl ProxyAddress {
    /// Completes what is known by the address of `proxy`, which `transport` leads to. The other end of a
    /// transport through another proxy is that one's, and what is no TCP connection has no address.
    pub(super) fn via<Io: 'static>(self, transport: &Connected<Io>, proxy: &Address) -> Self {
        let Self::Peer = self else {
            return self;
        };
        // Now: what is inside the transport may be a stream of no type that is known here.
        match peer_address(transport).or_else(|| proxy.ip().map(unmapped)) {
            Some(proxy) => Self::Known(proxy),
            None => Self::Unknown,
        }
    }

    /// Returns the proxy's address, with any port.
    pub(super) fn of<Io: 'static>(self, io: &Io) -> Option<SocketAddr> {
        match self {
            Self::Known(address) => Some(address),
            Self::Peer => peer_address(io),
            Self::Unknown => None,
        }
    }
}

/// Returns the address of the other end of `io`, where that is a TCP connection straight to the proxy.
fn peer_address<Io: 'static>(io: &Io) -> Option<SocketAddr> {
    straight(io)?.peer_addr().ok().map(unmapped)
}

/// Our end of a TCP connection straight to the proxy: datagrams leave from there as well, since the proxy takes those of
/// the client's address alone.
#[derive(Clone, Debug)]
pub(super) struct NearEnd {
    pub(super) local: SocketAddr,
    pub(super) proxy: IpAddr,
    /// The interface that it is bound to.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code)
    )]
    pub(super) device: Option<Vec<u8>>,
}

impl NearEnd {
    pub(super) fn of<Io: 'static>(io: &Io) -> Option<Self> {
        let stream = straight(io)?;
        Some(Self {
            local: unmapped(stream.local_addr().ok()?),
            proxy: unmapped(stream.peer_addr().ok()?).ip(),
            device: device(stream),
        })
    }
}

#[cfg(target_os = "linux")]
fn device(stream: &TcpStream) -> Option<Vec<u8>> {
    socket2::SockRef::from(stream).device().ok().flatten()
}

#[cfg(not(target_os = "linux"))]
const fn device(_: &TcpStream) -> Option<Vec<u8>> {
    None
}

/// Returns the TCP connection of `io` that leads straight to the proxy, and not through another one.
fn straight<Io: 'static>(io: &Io) -> Option<&TcpStream> {
    let io: &dyn Any = io;
    io.downcast_ref::<TcpStream>()
        .or_else(|| io.downcast_ref().map(PrefixedStream::get_ref))
        .or_else(|| {
            let connected: &Connected<TcpStream> = io.downcast_ref()?;
            (!connected.is_through_proxy()).then(|| connected.get_ref())
        })
        .or_else(|| {
            // As of a transport that may speak TLS.
            let connected: &Connected<BoxStream> = io.downcast_ref()?;
            match Raw::beneath(connected.get_ref())? {
                Raw::Tcp(stream) if !connected.is_through_proxy() => Some(stream),
                _ => None,
            }
        })
}

/// Puts the proxy's own address in place of a wildcard BND (C7), which means the address at which
/// the client has reached the proxy.
pub(super) fn resolve_wildcard(bound: Address, proxy: Option<SocketAddr>) -> Address {
    match (&bound, proxy) {
        (Address::Ip(address), Some(proxy)) if unmapped(*address).ip().is_unspecified() => {
            Address::Ip(with_port(proxy, address.port()))
        }
        _ => bound,
    }
}

/// The relays that a client sends datagrams to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relays {
    /// Those at the proxy's own address.
    OfProxy,
    Any,
}

/// Returns the relay that a proxy replies with: it says where our datagrams go, and so it could say a
/// service of our own machine or network.
pub(super) fn relay(
    bound: Address,
    proxy: Option<SocketAddr>,
    relays: Relays,
) -> Result<SocketAddr, ClientError> {
    // Some proxies reply with a non-canonical IP literal, which is as good as an address.
    let relay = match resolve_wildcard(bound.clone(), proxy).canonical() {
        Ok(Address::Ip(relay)) => relay,
        Ok(Address::Name(..)) | Err(_) => return Err(ClientError::NoRelay(bound)),
    };
    if !is_unicast(relay) {
        return Err(ClientError::NoRelay(bound));
    }
    let foreign = Err(ClientError::ForeignRelay { relay, proxy });
    match (relays, proxy) {
        // The peer's address has the scope of a link-local address, which BND does not carry.
        (_, Some(proxy)) if relay.ip() == proxy.ip() => Ok(with_port(proxy, relay.port())),
        (Relays::Any, _) => Ok(relay),
        // A proxy behind a NAT knows an address that only means something there.
        (Relays::OfProxy, Some(proxy)) if is_inside(relay.ip()) && !is_inside(proxy.ip()) => {
            Ok(with_port(proxy, relay.port()))
        }
        (Relays::OfProxy, None) if !is_inside(relay.ip()) => Ok(relay),
        (Relays::OfProxy, _) => foreign,
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Whether an address is of a machine or network of its own, and no host's of the internet: loopback,
/// private, shared, link-local, reserved, and what a translator may turn into such.
fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || matches!(first, 0 | 240..)
                || (first, second & 0xc0) == (100, 64)
                || (first, second & 0xfe) == (198, 18)
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || first & 0xffc0 == 0xfec0
                || (first, second) == (0x64, 0xff9b)
                || first == 0x2002
        }
    }
}
