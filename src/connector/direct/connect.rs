//! Opens one TCP connection.

use std::{io, net::SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::{
    connector::outgoing::{Outgoing, leaving},
    io::Keepalive,
};

/// Connects to one address.
pub(super) async fn connect(
    outgoing: &Outgoing,
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
    outgoing.bind_interface(options)?;
    if let Some(address) = outgoing.address_towards(target.ip()) {
        choose_port_late(&socket);
        let bound = socket.bind(SocketAddr::new(address, 0));
        bound.map_err(|error| leaving(address, error))?;
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
