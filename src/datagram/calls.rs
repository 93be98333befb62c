//! The system calls that move one datagram: without the detour through libc where the system has them in stable form.

use std::{io, net::SocketAddr};

use tokio::net::UdpSocket;

#[cfg(target_os = "linux")]
pub(super) use self::linux::{send, send_to, try_receive};
#[cfg(not(target_os = "linux"))]
pub(super) use self::other::{send, send_to, try_receive};

#[cfg(target_os = "linux")]
mod linux {
    use rustix::net::{RecvFlags, SendFlags, recvfrom};
    use tokio::io::Interest;

    use super::{SocketAddr, UdpSocket, io};

    /// Receives one datagram, if tokio has noted that there may be one. Returns its length and source.
    pub(in super::super) fn try_receive(
        socket: &UdpSocket,
        room: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        socket.try_io(Interest::READABLE, || {
            let (len, _, source) = recvfrom(socket, room, RecvFlags::empty())?;
            let source = source.ok_or(io::ErrorKind::InvalidData)?;
            Ok((len, SocketAddr::try_from(source)?))
        })
    }

    /// Sends one datagram to the peer of the socket.
    pub(in super::super) fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
        rustix::net::send(socket, datagram, SendFlags::empty())?;
        Ok(())
    }

    /// Sends one datagram.
    pub(in super::super) fn send_to(
        socket: &UdpSocket,
        datagram: &[u8],
        to: SocketAddr,
    ) -> io::Result<()> {
        rustix::net::sendto(socket, datagram, SendFlags::empty(), &to)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use socket2::SockRef;

    use super::{SocketAddr, UdpSocket, io};

    pub(in super::super) fn try_receive(
        socket: &UdpSocket,
        room: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        socket.try_recv_from(room)
    }

    pub(in super::super) fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
        SockRef::from(socket).send(datagram).map(drop)
    }

    pub(in super::super) fn send_to(
        socket: &UdpSocket,
        datagram: &[u8],
        to: SocketAddr,
    ) -> io::Result<()> {
        SockRef::from(socket)
            .send_to(datagram, &to.into())
            .map(drop)
    }
}
