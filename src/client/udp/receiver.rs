use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncRead;

use super::association::Relay;
use crate::{
    client::ClientError,
    datagram::Datagrams,
    error::Step,
    io::{poll_drain, yield_turn},
    proto::{Address, Decode, Decoded, UdpHeader},
};

/// Batches without a datagram that counts, in one poll, before other tasks get their turn.
const UNWANTED: usize = 4;

/// The half of a [`ProxySocket`](super::ProxySocket) that receives, and that keeps the association:
/// dropping it ends that.
#[derive(Debug)]
pub struct ProxyReceiver<Io> {
    control: Io,
    relay: Arc<Relay>,
    /// Datagrams that came with the one that was asked for.
    waiting: Datagrams,
}

impl<Io> ProxyReceiver<Io> {
    pub(super) const fn new(control: Io, relay: Arc<Relay>) -> Self {
        Self {
            control,
            relay,
            waiting: Datagrams::new(),
        }
    }

    pub(super) fn relay(&self) -> &Relay {
        &self.relay
    }
}

impl<Io: AsyncRead + Unpin> ProxyReceiver<Io> {
    /// See [`ProxySocket::recv_from`](super::ProxySocket::recv_from).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        poll_fn(|cx| self.poll_recv_from(cx, buf)).await
    }

    /// See [`ProxySocket::poll_recv_from`](super::ProxySocket::poll_recv_from).
    ///
    /// # Errors
    ///
    /// As there.
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

    /// The first of those that wait, unless it is too large for `buf`.
    fn take_first(&mut self, buf: &mut [u8]) -> Option<(usize, Address)> {
        let received = self.waiting.iter().next().and_then(|(source, payload)| {
            let room = buf.get_mut(..payload.len())?;
            room.copy_from_slice(payload);
            Some((payload.len(), source.clone()))
        });
        self.waiting.take_first(1);
        if self.waiting.is_empty() {
            // A quiet association keeps no room.
            self.waiting = Datagrams::new();
        }
        received
    }

    /// See [`ProxySocket::recv_batch`](super::ProxySocket::recv_batch).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
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
        for _ in 0..UNWANTED {
            let before = batch.len();
            let relay = &*self.relay;
            let received = relay.socket.poll_recv(cx, |source, datagram| {
                if relay.sent(source)
                    && let Some((source, payload)) = unwrap(datagram)
                {
                    batch.push(source, payload);
                }
            });
            // An error is news of an earlier datagram, and costs that one only.
            if batch.len() > before {
                return Poll::Ready(Ok(()));
            }
            if received.is_pending() {
                return self.poll_end(cx).map(Err);
            }
        }
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Ready once the association is over, which its control connection says by ending. What comes
    /// on that means nothing.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let step = Step::Relay;
        if !self.relay.has_ended() {
            let ended = ready!(poll_drain(cx, &mut self.control));
            self.relay.end();
            if let Err(source) = ended {
                return Poll::Ready(ClientError::Io { step, source }.into());
            }
        }
        Poll::Ready(ClientError::Closed { step }.into())
    }
}

impl<Io> Drop for ProxyReceiver<Io> {
    fn drop(&mut self) {
        self.relay.end();
    }
}

/// The payload of a datagram of the relay's, and its source. Fragments are dropped, as whoever does
/// not put them together must do (RFC 1928 section 7), and garbage is.
fn unwrap(datagram: &[u8]) -> Option<(Address, &[u8])> {
    let Ok(Decoded::Done(header, len)) = UdpHeader::decode(datagram) else {
        return None;
    };
    let source = header.address.canonical().ok()?;
    let payload = datagram.get(len..)?;
    (header.fragment == 0).then_some((source, payload))
}
