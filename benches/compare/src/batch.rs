//! Many datagrams in one system call: the generator is to be lighter than what it measures.
//!
//! They stay datagrams of their own. Segmentation offload, and what the kernel coalesces, would spare
//! the servers work that clients in a network do not spare them.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd},
};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use tokio::{io::Interest, net::UdpSocket};

/// Datagrams in one call.
const MOST: usize = 32;

/// Octets of the largest datagram, and one more.
const SLOT: usize = 2048;

/// What has come.
pub(crate) struct Received {
    slots: Vec<[u8; SLOT]>,
    /// How long each is, and where it is from.
    found: Vec<(usize, Option<SockaddrIn>)>,
}

impl Received {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![[0; SLOT]; MOST],
            found: Vec::with_capacity(MOST),
        }
    }

    /// Waits for the next ones, and takes what is there.
    pub(crate) async fn more(&mut self, socket: &UdpSocket) -> io::Result<()> {
        loop {
            socket.readable().await?;
            let outcome = socket.try_io(Interest::READABLE, || {
                self.receive(socket)?;
                // There are no more, and tokio may as well know without another call.
                if self.found.len() < MOST {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match outcome {
                _ if !self.found.is_empty() => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.found.clear();
        let mut slices: Vec<_> = (self.slots.iter_mut())
            .map(|slot| [IoSliceMut::new(slot)])
            .collect();
        let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(MOST, None);
        let found = recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None)?;
        self.found
            .extend(found.map(|message| (message.bytes, message.address)));
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<SockaddrIn>)> {
        let datagrams = self.slots.iter().zip(&self.found);
        datagrams.map(|(slot, (len, from))| (&slot[..*len], *from))
    }
}

/// Sends each to its address, or to the peer of the socket.
pub(crate) async fn send<'a>(
    socket: &UdpSocket,
    datagrams: impl Iterator<Item = (&'a [u8], Option<SockaddrIn>)>,
) -> io::Result<()> {
    let (slices, addresses): (Vec<_>, Vec<_>) = datagrams
        .map(|(datagram, to)| ([IoSlice::new(datagram)], to))
        .unzip();
    let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
    let mut sent = 0;
    while sent < slices.len() {
        let (slices, addresses) = (&slices[sent..], &addresses[sent..]);
        let send = || {
            let mut headers = MultiHeaders::preallocate(slices.len(), None);
            Ok(sendmmsg(fd, &mut headers, slices, addresses, [], flags)?.count())
        };
        sent += socket.async_io(Interest::WRITABLE, send).await?;
    }
    Ok(())
}
