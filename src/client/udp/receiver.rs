use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{framed::FrameReceiver, relay::RelayReceiver};
use crate::{datagram::Datagrams, proto::Address};

/// Receives datagrams: the half of a [`ProxySocket`](super::ProxySocket) that keeps the association.
/// Dropping it ends that.
#[derive(Debug)]
pub struct ProxyReceiver<Io> {
    receiver: Receiver<Io>,
    /// Datagrams that arrived together with one that has been returned.
    waiting: Datagrams,
}

#[derive(Debug)]
enum Receiver<Io> {
    Relay(RelayReceiver<Io>),
    Frames(FrameReceiver<Io>),
}

impl<Io> ProxyReceiver<Io> {
    pub(super) const fn from_relay(receiver: RelayReceiver<Io>) -> Self {
        Self {
            receiver: Receiver::Relay(receiver),
            waiting: Datagrams::new(),
        }
    }

    pub(super) const fn in_frames(receiver: FrameReceiver<Io>) -> Self {
        Self {
            receiver: Receiver::Frames(receiver),
            waiting: Datagrams::new(),
        }
    }

    pub(super) fn relay_addr(&self) -> Option<SocketAddr> {
        match &self.receiver {
            Receiver::Relay(receiver) => Some(receiver.association.relay),
            Receiver::Frames(_) => None,
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.receiver {
            Receiver::Relay(receiver) => receiver.association.socket.local_addr(),
            Receiver::Frames(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> ProxyReceiver<Io> {
    /// Receives a datagram, and returns its length in octets and its source as the proxy states it.
    ///
    /// One that does not fit into `buf` is dropped, as it would otherwise have to be cut. Room for
    /// 65,507 octets is always enough.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`](crate::ClientError::Closed) or [`ClientError::Io`](crate::ClientError::Io) inside the error once the association is over, and
    /// [`ClientError::BadFrame`](crate::ClientError::BadFrame) after a frame that is none. Datagrams that arrive then may be lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: no datagram is lost.
    pub async fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        poll_fn(|cx| self.poll_recv_from(cx, buf)).await
    }

    /// Polls for a datagram.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Address)>> {
        loop {
            while !self.waiting.is_empty() {
                if let Some(received) = self.take_first(buf) {
                    return Poll::Ready(Ok(received));
                }
            }
            let mut batch = Datagrams::new();
            ready!(self.poll_socket(cx, &mut batch))?;
            self.waiting = batch;
        }
    }

    /// Returns the first of those that wait, unless it is too large for `buf`.
    fn take_first(&mut self, buf: &mut [u8]) -> Option<(usize, Address)> {
        let received = self.waiting.iter().next().and_then(|(source, payload)| {
            let room = buf.get_mut(..payload.len())?;
            room.copy_from_slice(payload);
            Some((payload.len(), source.clone()))
        });
        self.waiting.take_first(1);
        if self.waiting.is_empty() {
            // An idle association holds no buffer.
            self.waiting = Datagrams::new();
        }
        received
    }

    /// Receives the datagrams that have arrived, one at least, in few system calls, and adds them to
    /// `into`.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: no datagram is lost.
    pub async fn recv_batch(&mut self, into: &mut Datagrams) -> io::Result<()> {
        poll_fn(|cx| self.poll_recv_batch(cx, into)).await
    }

    pub(super) fn poll_recv_batch(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        if !self.waiting.is_empty() {
            for (source, payload) in std::mem::take(&mut self.waiting).iter() {
                into.push(source.clone(), payload);
            }
            return Poll::Ready(Ok(()));
        }
        self.poll_socket(cx, into)
    }

    /// Puts at least one datagram into `batch`.
    fn poll_socket(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        match &mut self.receiver {
            Receiver::Relay(receiver) => receiver.poll_recv(cx, batch),
            Receiver::Frames(receiver) => receiver.poll_recv(cx, batch),
        }
    }

    /// Polls for the end of the association, as far as that can be seen without a datagram.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match &mut self.receiver {
            Receiver::Relay(receiver) => receiver.poll_end(cx),
            // What has not been received may be before it.
            Receiver::Frames(_) => Poll::Pending,
        }
    }
}

impl<Io> Drop for ProxyReceiver<Io> {
    fn drop(&mut self) {
        match &self.receiver {
            Receiver::Relay(receiver) => receiver.association.end(),
            Receiver::Frames(receiver) => receiver.end(),
        }
    }
}
