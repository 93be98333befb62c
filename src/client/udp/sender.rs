use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

use super::{framed::FrameSender, relay::RelaySender};
use crate::{
    client::ClientError,
    datagram::Datagrams,
    proto::{Address, IntoAddress},
};

/// Sends datagrams: a half of a [`ProxySocket`](super::ProxySocket). The other half keeps the
/// association; once that is dropped or has seen its end, sending is an error.
#[derive(Debug)]
pub struct ProxySender<Io> {
    sender: Sender<Io>,
}

#[derive(Debug)]
enum Sender<Io> {
    Relay(RelaySender),
    Frames(FrameSender<Io>),
}

impl<Io> ProxySender<Io> {
    pub(super) const fn to_relay(sender: RelaySender) -> Self {
        Self {
            sender: Sender::Relay(sender),
        }
    }

    pub(super) const fn in_frames(sender: FrameSender<Io>) -> Self {
        Self {
            sender: Sender::Frames(sender),
        }
    }

    /// Returns the largest payload that can go to `target`, in octets: see
    /// [`ProxySocket::max_payload`](super::ProxySocket::max_payload).
    #[must_use]
    pub fn max_payload(&self, target: &Address) -> usize {
        match &self.sender {
            Sender::Relay(sender) => sender.max_payload(target),
            Sender::Frames(sender) => sender.max_payload(target),
        }
    }
}

impl<Io: AsyncWrite + Unpin> ProxySender<Io> {
    /// Sends a datagram to `target`.
    ///
    /// # Errors
    ///
    /// [`ClientError::TooLarge`] inside the error where it does not fit into a datagram or frame to the proxy:
    /// nothing is sent then, and never a part. [`ClientError::OtherDestination`] where a socket has only one.
    /// [`ClientError::Closed`] once the association is over; otherwise the error of the system, or
    /// [`ClientError::Io`] of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: the datagram is not sent, or goes with the next call of any half as a whole, where a
    /// stream had taken a part of it.
    pub async fn send_to(&mut self, payload: &[u8], target: impl IntoAddress) -> io::Result<()> {
        let target = target.into_address().map_err(ClientError::InvalidTarget)?;
        poll_fn(|cx| self.poll_send_to(cx, payload, &target)).await?;
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Polls for room to send a datagram to `target`, and sends it.
    ///
    /// Over a stream there is room once all datagrams before have left, and what the stream does not take at once is
    /// kept: it leaves with the next call, be it of the half that receives. [`poll_flush`](Self::poll_flush) waits
    /// for that.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &mut self,
        cx: &mut Context<'_>,
        payload: &[u8],
        target: &Address,
    ) -> Poll<io::Result<()>> {
        match &mut self.sender {
            Sender::Relay(sender) => sender.poll_send_to(cx, payload, target),
            Sender::Frames(sender) => sender.poll_send_to(cx, payload, target),
        }
    }

    /// Ready once nothing waits that an earlier call has taken.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] inside the error once the association is over, and [`ClientError::Io`] when the
    /// stream failed.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.sender {
            Sender::Relay(sender) => sender.poll_unsent(cx).map(Ok),
            Sender::Frames(sender) => sender.poll_flush(cx),
        }
    }

    /// Sends many datagrams, in few system calls, and removes them from `out`: to a relay where several of one size
    /// follow each other, over a stream in any case. Those that cannot be sent, too large ones for instance, are
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] inside the error once the association is over, and [`ClientError::Io`] when the
    /// stream failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: what has been removed from `out` and is not sent yet goes with the next
    /// datagrams.
    pub async fn send_batch(&mut self, out: &mut Datagrams) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_batch(cx, out)).await
    }

    pub(super) fn poll_send_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        match &mut self.sender {
            Sender::Relay(sender) => sender.poll_send_batch(cx, out),
            Sender::Frames(sender) => sender.poll_send_batch(cx, out),
        }
    }
}
