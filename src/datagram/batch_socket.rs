//! Batched UDP sockets (recvmmsg, GSO, GRO).

use std::{
    cell::Cell,
    io::{self, IoSliceMut},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, ready},
};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::SockRef;
use tokio::{io::Interest, net::UdpSocket};

use super::{calls, receive_errors::poll_past_errors, socket_options};
use crate::io::lend;

/// Room for any datagram, or for what the kernel has coalesced, in bytes.
const SLOT: usize = 64 * 1024;

/// Segments larger than this, in octets, may not fit into a packet, and then the kernel does not
/// take them in one call.
const LARGEST_SEGMENT: usize = 1_200;

/// Datagrams to ask for where few come: one that is not filled says that there are no more.
const FEW: usize = 2;

/// Datagrams in a row, received one by one, after which batches are worth their price: a call that
/// receives many costs more than the two that receive one and find no other.
const SERIES: usize = 3;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// A bound UDP socket that moves many datagrams in one system call.
#[derive(Debug)]
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    /// The address that it is connected to.
    peer: Option<SocketAddr>,
    /// Datagrams received in a row, one by one. From [`SERIES`] on they are received in batches.
    row: AtomicUsize,
    /// Datagrams to ask for in a batch: twice what came last time.
    expected: AtomicUsize,
}

impl BatchSocket {
    /// Binds a socket on which large datagrams are sent in IP fragments, as on any other.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::bind_with(address, |_| Ok(()))
    }

    /// The same of a socket that `prepare` has seen before.
    pub(crate) fn bind_with(
        address: SocketAddr,
        prepare: impl FnOnce(SockRef<'_>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            #[cfg(target_os = "linux")]
            socket2::Type::DGRAM.nonblocking(),
            #[cfg(not(target_os = "linux"))]
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        #[cfg(not(target_os = "linux"))]
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        prepare(SockRef::from(&socket))?;
        socket.bind(&address.into())?;
        // Room for a burst while this thread is busy; as much as the system allows.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let state = UdpSocketState::new((&socket).into())?;
        socket_options::set(&socket, address)?;
        // Received one by one, coalesced datagrams could not be told apart.
        let one_by_one = socket_options::coalesce(&socket, false).is_ok();
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            state,
            peer: None,
            row: AtomicUsize::new(if one_by_one { 0 } else { SERIES }),
            expected: AtomicUsize::new(FEW),
        })
    }

    /// Binds a socket of the family of `peer` at any address and port.
    pub(crate) fn towards(peer: SocketAddr) -> io::Result<Self> {
        Self::bind(match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Connects the socket: from here on the system accepts datagrams of `peer` only.
    pub(crate) fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        SockRef::from(&self.socket).connect(&peer.into())?;
        self.peer = Some(peer);
        Ok(())
    }

    /// Whether a socket that is connected can be made to accept datagrams of all peers again.
    pub(crate) const CAN_DISCONNECT: bool = cfg!(target_os = "linux");

    /// Accepts datagrams of all peers again, at the same address.
    ///
    /// # Errors
    ///
    /// When the socket has lost its port, which somebody else has taken.
    pub(crate) fn disconnect(&mut self) -> io::Result<()> {
        if self.peer.take().is_none() {
            return Ok(());
        }
        socket_options::disconnect(&self.socket, self.local_addr()?)
    }

    /// Receives once, and calls `each` with each datagram and its source. Of several tasks that
    /// poll only the last is woken.
    ///
    /// # Errors
    ///
    /// When the socket has only errors to report. News of an earlier datagram that did not arrive is
    /// passed over.
    pub(crate) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut receive = || match self.row.load(Ordering::Relaxed) {
            SERIES.. => self.try_recv_batch(&mut each),
            row => self.try_recv_one(row, &mut each),
        };
        // By the readiness that tokio has noted: the question for it also registers the task, which what is there does not
        // need.
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        if let Ok(count) = receive() {
            coop.made_progress();
            return Poll::Ready(Ok(count));
        }
        drop(coop);
        poll_past_errors(|| self.socket.poll_recv_ready(cx), receive)
    }

    /// Receives one datagram, if there is any, after `row` of them in a row.
    fn try_recv_one(
        &self,
        row: usize,
        each: &mut impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let received = with_buffer(|buffer| {
            let slot = buffer.get_mut(..SLOT).unwrap_or_default();
            // With its source even here: it may have come before the socket was connected.
            let (len, source) = calls::try_receive(&self.socket, slot)?;
            each(source, slot.get(..len).unwrap_or_default());
            Ok(1)
        });
        let row = if received.is_ok() { row + 1 } else { 0 };
        self.row.store(row, Ordering::Relaxed);
        if row == SERIES {
            // Without it, batches are of single datagrams.
            let _ = socket_options::coalesce(&self.socket, true);
        }
        received
    }

    /// Receives as many datagrams as are likely to be there, if there are any.
    fn try_recv_batch(&self, each: &mut impl FnMut(SocketAddr, &[u8])) -> io::Result<usize> {
        let count = match self.expected.load(Ordering::Relaxed) {
            // Slots that stay empty cost as much to prepare as the others.
            ..=FEW => self.try_recv::<FEW>(FEW, each),
            wanted => self.try_recv::<BATCH_SIZE>(wanted.min(BATCH_SIZE), each),
        }?;
        self.expected.store(count * 2, Ordering::Relaxed);
        Ok(count)
    }

    /// Receives at most `wanted` datagrams, in room for `N`, if there are any.
    fn try_recv<const N: usize>(
        &self,
        wanted: usize,
        each: &mut impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); N];
        with_buffer(|buffer| {
            let mut received = 0;
            let mut slots = slots::<N>(buffer);
            let outcome = self.socket.try_io(Interest::READABLE, || {
                let slots = slots.get_mut(..wanted).unwrap_or_default();
                received = self.state.recv((&self.socket).into(), slots, &mut metas)?;
                // Fewer than there was room for: the socket is empty, and tokio may as well
                // know without another call.
                if received < wanted {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            if received == 0 {
                return outcome.map(|()| 0);
            }
            let mut count = 0;
            for (meta, slot) in metas.iter().zip(&slots).take(received) {
                let bytes = slot.get(..meta.len).unwrap_or_default();
                if bytes.is_empty() {
                    each(meta.addr, bytes);
                    count += 1;
                }
                // Several of one source, where the kernel has coalesced them.
                for datagram in bytes.chunks(meta.stride.max(1)) {
                    each(meta.addr, datagram);
                    count += 1;
                }
            }
            Ok(count)
        })
    }

    /// Returns how many datagrams of `size` octets one call can send.
    pub(crate) fn segments(&self, size: usize) -> usize {
        if size > LARGEST_SEGMENT {
            1
        } else {
            self.state.max_gso_segments()
        }
    }

    /// Sends datagrams of `size` octets each (the last may be smaller) to one destination. Of
    /// several tasks that wait to do this only the last is woken.
    ///
    /// # Errors
    ///
    /// When the system does not take them.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        destination: SocketAddr,
        contents: &[u8],
        size: usize,
    ) -> Poll<io::Result<()>> {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: (size > 0 && size < contents.len()).then_some(size),
            src_ip: None,
        };
        let is_one = transmit.segment_size.is_none();
        let try_send = || match &self.peer {
            // The system has the route at hand.
            Some(peer) if is_one && *peer == destination => calls::send(&self.socket, contents),
            // And less to check than in a batch.
            _ if is_one => calls::send_to(&self.socket, contents, destination),
            _ => self.state.try_send((&self.socket).into(), &transmit),
        };
        let send = || match try_send() {
            // The error of an earlier datagram; this one was not tried.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => try_send(),
            outcome => outcome,
        };
        // Most often there is room, whatever readiness tokio has noted.
        let mut outcome = send();
        loop {
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_send_ready(cx))?;
                    outcome = self.socket.try_io(Interest::WRITABLE, send);
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}

/// The receive buffer that is asked for, in bytes; the system may have a lower limit.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// Lends the receive buffer of this thread.
fn with_buffer<T>(borrow: impl FnOnce(&mut [u8]) -> T) -> T {
    let make = || vec![0; SLOT * BATCH_SIZE].into_boxed_slice();
    lend(&BUFFER, make, |buffer| borrow(buffer))
}

/// A slot for each datagram of a batch.
fn slots<const N: usize>(buffer: &mut [u8]) -> [IoSliceMut<'_>; N] {
    let mut chunks = buffer.chunks_mut(SLOT);
    std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()))
}
