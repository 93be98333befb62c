//! A socket that is listened on, by us or by systemd, whatever serves at it.

use std::{
    io,
    net::SocketAddr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::PathBuf,
};

use rustix::io::FdFlags;
use tokio::net::TcpSocket;
use tower_socks::BoxError;

use super::{Door, Place, unix};

/// A socket that is listened on, which is of one of two kinds. It is nobody's: what accepts connections has a duplicate,
/// and their queue is one.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

impl Socket {
    pub(crate) fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Self::Tcp(listener) => Place::Tcp(listener.local_addr()?),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                // A socket without one can be passed, if hardly by systemd.
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

    /// Takes the descriptor of a socket that was passed, at a place of its kind.
    pub(super) fn from_passed(socket: OwnedFd, stated: &Place) -> Self {
        match stated {
            Place::Tcp(_) => Self::Tcp(socket.into()),
            Place::Unix(_) => Self::Unix(socket.into()),
        }
    }

    /// Has programs that this one starts not get it.
    pub(crate) fn close_on_exec(&self) -> io::Result<()> {
        Ok(rustix::io::fcntl_setfd(self, FdFlags::CLOEXEC)?)
    }

    /// Duplicates the descriptor.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Listens at a door, beside others. The file of a Unix socket goes with what is returned.
pub(super) fn bind(
    door: &Door,
    others: &[Door],
) -> Result<(Socket, Option<unix::SocketFile>), BoxError> {
    let place = &door.place;
    let bound = match place {
        Place::Tcp(address) => tcp(*address, others).map(|listener| (Socket::Tcp(listener), None)),
        Place::Unix(path) => unix::listen(path, door.mode)
            .map(|(listener, file)| (Socket::Unix(listener), Some(file))),
    };
    bound.map_err(|error| format!("cannot listen on {place}: {error}").into())
}

/// Listens on an address, beside those of `doors`.
pub(crate) fn tcp(address: SocketAddr, doors: &[Door]) -> io::Result<std::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if is_v6_only(address, doors) {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    // As std and tokio do.
    socket.listen(1024)?.into_std()
}

/// Whether a socket is not for IPv4 as well, beside those of `doors`: it takes the port for that too, which another one is to
/// have.
pub(super) fn is_v6_only(address: SocketAddr, doors: &[Door]) -> bool {
    let is_rival = |other: SocketAddr| other.is_ipv4() && other.port() == address.port();
    let mut others = doors.iter().filter_map(|other| other.place.address());
    address.is_ipv6() && address.port() != 0 && others.any(is_rival)
}
