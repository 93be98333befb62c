//! Opens one TCP connection.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::io::Keepalive;

/// The local addresses to connect from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl Source {
    pub(super) const fn add(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.v4 = Some(address),
            IpAddr::V6(address) => self.v6 = Some(address),
        }
    }

    /// Whether a target can be connected to. Where only one family has a local address, the other one
    /// is not used, or it would leave from an address that nobody has chosen.
    pub(super) const fn has_family_of(&self, target: IpAddr) -> bool {
        match (self.v4, self.v6) {
            (None, None) | (Some(_), Some(_)) => true,
            (Some(_), None) => target.is_ipv4(),
            (None, Some(_)) => target.is_ipv6(),
        }
    }

    fn for_target(&self, target: IpAddr) -> Option<IpAddr> {
        match target {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }
}

/// Connects to one address.
pub(super) async fn connect(
    source: Source,
    keepalive: Keepalive,
    target: SocketAddr,
) -> io::Result<TcpStream> {
    let socket = match target {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // What is relayed has been cut into segments by its sender; waiting for more only adds delay.
    socket.set_nodelay(true)?;
    // Before urgent data can come, which is relayed in its place in the stream.
    let options = SockRef::from(&socket);
    options.set_out_of_band_inline(true)?;
    keepalive.set(&options)?;
    if let Some(address) = source.for_target(target.ip()) {
        choose_port_late(&socket);
        socket.bind(SocketAddr::new(address, 0))?;
    }
    socket.connect(target).await
}

/// Has the port chosen when it is known where to: one port then serves any number of targets. A port that
/// is chosen before is taken for all of them, and there are some 28,000.
///
/// A system without it (Linux before 4.2, for IPv6 4.10) chooses early.
#[cfg(target_os = "linux")]
fn choose_port_late(socket: &TcpSocket) {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};

    let _ = setsockopt(socket, IpBindAddressNoPort, &true);
}

#[cfg(not(target_os = "linux"))]
const fn choose_port_late(_: &TcpSocket) {}
