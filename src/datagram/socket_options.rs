//! Socket options that quinn-udp sets for QUIC, and that a relay needs otherwise.

#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::{io, net::SocketAddr};

/// Allows IP fragments, as on any other socket, and turns off what is not read: the address that
/// each datagram came to, and its TOS octet.
#[cfg(target_os = "linux")]
pub(super) fn set(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ip_recvtos,
        set_ipv6_mtu_discover, set_ipv6_recvtclass,
    };

    if address.is_ipv4() {
        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
        set_ip_recvtos(socket, false)?;
        setsockopt(socket, sockopt::Ipv4PacketInfo, &false)?;
    } else {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
        setsockopt(socket, sockopt::Ipv6DontFrag, &false)?;
        set_ipv6_recvtclass(socket, false)?;
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false)?;
    }
    Ok(())
}

/// Undoes `connect` of a socket that is bound to an address.
#[cfg(target_os = "linux")]
pub(super) fn disconnect(socket: &impl AsFd, bound: SocketAddr) -> io::Result<()> {
    rustix::net::connect_unspec(socket)?;
    // A port that the system chose goes with the connection.
    if SocketAddr::try_from(rustix::net::getsockname(socket)?)? != bound {
        rustix::net::bind(socket, &bound)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn disconnect<T>(_: &T, _: SocketAddr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sets whether the system coalesces datagrams of one source (UDP_GRO).
#[cfg(target_os = "linux")]
pub(super) fn coalesce(socket: &impl AsFd, whether: bool) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};

    Ok(setsockopt(socket, sockopt::UdpGroSegment, &whether)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn coalesce<T>(_: &T, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set(_: &socket2::Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}
