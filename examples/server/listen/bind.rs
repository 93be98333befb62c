//! Sockets that are listened on, by us or by systemd.

use std::{io, net::SocketAddr, path::PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tower_socks::BoxError;

use super::{Door, Place, unix};

/// A socket that is listened on, which is of one of two kinds.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    /// Its file goes with the server, unless it is systemd's.
    Unix(UnixListener, Option<unix::SocketFile>),
}

/// A socket of systemd's, outside of a runtime.
#[derive(Debug)]
pub(crate) enum Passed {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Socket {
    pub(crate) fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Self::Tcp(listener) => Place::Tcp(listener.local_addr()?),
            Self::Unix(listener, _) => {
                let address = listener.local_addr()?;
                // A socket without one can be passed, if hardly by systemd.
                let path = address.as_pathname().map_or_else(PathBuf::new, Into::into);
                Place::Unix(path)
            }
        })
    }
}

impl Passed {
    pub(crate) fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Self::Tcp(listener) => Place::Tcp(listener.local_addr()?),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                Place::Unix(address.as_pathname().map_or_else(PathBuf::new, Into::into))
            }
        })
    }

    /// Prepares it for a runtime.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    pub(crate) fn into_socket(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(listener) => Socket::Tcp(TcpListener::from_std(listener)?),
            Self::Unix(listener) => Socket::Unix(UnixListener::from_std(listener)?, None),
        })
    }
}

/// Listens at all doors, before one of them serves.
pub(crate) fn bind(doors: &[Door]) -> Result<Vec<Socket>, BoxError> {
    let mut sockets = Vec::new();
    for door in doors {
        let place = &door.place;
        let bound = match place {
            Place::Tcp(address) => tcp(*address, doors).map(Socket::Tcp),
            Place::Unix(path) => unix::listen(path, door.mode)
                .map(|(listener, file)| Socket::Unix(listener, Some(file))),
        };
        sockets.push(bound.map_err(|error| format!("cannot listen on {place}: {error}"))?);
    }
    Ok(sockets)
}

/// Listens on an address, beside those of `doors`.
pub(crate) fn tcp(address: SocketAddr, doors: &[Door]) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // A socket for IPv6 takes the port for IPv4 as well, which another one is to have.
    let is_rival = |other: SocketAddr| other.is_ipv4() && other.port() == address.port();
    let mut others = doors.iter().filter_map(|other| other.place.address());
    if address.is_ipv6() && address.port() != 0 && others.any(is_rival) {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    // As std and tokio do.
    socket.listen(1024)
}
