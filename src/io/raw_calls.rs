//! The system calls of a raw socket.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;

use super::Raw;

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
    #[inline]
    pub(crate) fn try_read<T>(
        self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let interest = Interest::READABLE;
        match self {
            Self::Tcp(socket) => socket.try_io(interest, || call(socket.as_fd())),
            Self::Unix(socket) => socket.try_io(interest, || call(socket.as_fd())),
        }
    }

    /// Reads what is there. Ready with 0 at the end.
    ///
    /// Asks for the readiness that tokio has noted, and registers the task only where there is none: a stream's `poll_read`
    /// does both at each call.
    #[inline]
    pub(crate) fn poll_receive(
        self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut short = 0;
            let outcome = self.try_read(|socket| {
                let (read, _) = recv(socket, &mut *room, RecvFlags::empty())?;
                if 0 < read && read < room.len() {
                    // The socket is empty, and tokio may as well know without another call.
                    short = read;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(read)
            });
            match outcome {
                _ if short > 0 => return Poll::Ready(Ok(short)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_read_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Writes as much as the socket has room for.
    #[inline]
    pub(crate) fn poll_send(self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut part = 0;
            let outcome = self.try_write(|socket| {
                let written = send(socket, bytes, SendFlags::NOSIGNAL)?;
                if 0 < written && written < bytes.len() {
                    // The socket is full: the same.
                    part = written;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(written)
            });
            match outcome {
                _ if part > 0 => return Poll::Ready(Ok(part)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_write_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Receives what is there, whatever the readiness.
    pub(crate) fn receive(self, room: &mut [u8]) -> io::Result<usize> {
        let flags = RecvFlags::DONTWAIT;
        let (read, _) = match self {
            Self::Tcp(socket) => recv(socket, room, flags)?,
            Self::Unix(socket) => recv(socket, room, flags)?,
        };
        Ok(read)
    }

    /// Runs `call` on a socket that is ready to be written.
    #[inline]
    pub(crate) fn try_write<T>(
        self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let interest = Interest::WRITABLE;
        match self {
            Self::Tcp(socket) => socket.try_io(interest, || call(socket.as_fd())),
            Self::Unix(socket) => socket.try_io(interest, || call(socket.as_fd())),
        }
    }
}
