//! The socket inside a stream of any type.

use std::{any::Any, io};
#[cfg(target_os = "linux")]
use std::{
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
};

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::{BoxStream, MeteredStream, PrefixedStream};

/// A socket of the operating system, with no bytes in front of it.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl<'a> Raw<'a> {
    /// Returns the socket inside `io`, if there is one.
    pub(crate) fn of<Io: 'static>(io: &'a Io) -> Option<Self> {
        let io: &dyn Any = io;
        let boxed = io.downcast_ref().map(BoxStream::inner);
        let metered = || io.downcast_ref().map(MeteredStream::inner);
        Self::found(boxed.or_else(metered).unwrap_or(io))
    }

    fn found(io: &'a dyn Any) -> Option<Self> {
        #[cfg(unix)]
        if let Some(socket) = bare(io) {
            return Some(Self::Unix(socket));
        }
        bare(io).map(Self::Tcp)
    }

    /// Makes the end of the connection a reset, so that it does not look like a complete one.
    pub(crate) fn reset(self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_zero_linger(),
            // It has no reset; the peer sees the end.
            #[cfg(unix)]
            Self::Unix(_) => Ok(()),
        }
    }
}

/// Sees through [`PrefixedStream`] once its bytes have all been read.
fn bare<T: 'static>(io: &dyn Any) -> Option<&T> {
    io.downcast_ref::<T>().or_else(|| {
        io.downcast_ref::<PrefixedStream<T>>()
            .filter(|ahead| ahead.buffered().is_empty())
            .map(PrefixedStream::get_ref)
    })
}

#[cfg(target_os = "linux")]
impl Raw<'_> {
    pub(crate) fn poll_read_ready(self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    pub(crate) fn poll_write_ready(self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Runs `call` on a socket that is ready to be read.
    pub(crate) fn try_read<T>(
        self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let interest = tokio::io::Interest::READABLE;
        match self {
            Self::Tcp(socket) => socket.try_io(interest, || call(socket.as_fd())),
            Self::Unix(socket) => socket.try_io(interest, || call(socket.as_fd())),
        }
    }

    /// Runs `call` on a socket that is ready to be written.
    pub(crate) fn try_write<T>(
        self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let interest = tokio::io::Interest::WRITABLE;
        match self {
            Self::Tcp(socket) => socket.try_io(interest, || call(socket.as_fd())),
            Self::Unix(socket) => socket.try_io(interest, || call(socket.as_fd())),
        }
    }
}
