use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncRead;

use super::association::Association;
use crate::{
    client::ClientError,
    datagram::Datagrams,
    error::Step,
    io::{Control, yield_turn},
    proto::{Address, Decode, Decoded, UdpHeader},
};

/// Batches without a usable datagram, in one poll, before other tasks get their turn.
const UNWANTED: usize = 4;

/// Receives datagrams: the half of a [`ProxySocket`](super::ProxySocket) that keeps the association.
/// Dropping it ends that.
#[derive(Debug)]
pub struct ProxyReceiver<Io> {
    io: Io,
    control: Control,
    association: Arc<Association>,
    /// Datagrams that arrived together with one that has been returned.
    waiting: Datagrams,
}

impl<Io> ProxyReceiver<Io> {
    pub(super) const fn new(io: Io, association: Arc<Association>) -> Self {
        Self {
            io,
            control: Control::new(),
            association,
            waiting: Datagrams::new(),
        }
    }

    pub(super) fn association(&self) -> &Association {
        &self.association
    }
}

impl<Io: AsyncRead + Unpin> ProxyReceiver<Io> {
    /// Receives a datagram, and returns its length in octets and its source as the proxy states it.
    ///
    /// One that does not fit into `buf` is dropped, as it would otherwise have to be cut. Room for
    /// 65,507 octets is always enough.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] or [`ClientError::Io`] inside the error once the association is over.
    /// Datagrams that arrive then may be lost.
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
        for _ in 0..UNWANTED {
            let before = batch.len();
            let association = &*self.association;
            let received = association.socket.poll_recv(cx, |source, datagram| {
                if association.is_relay(source)
                    && let Some((source, payload)) = without_header(datagram)
                {
                    batch.push(source, payload);
                }
            });
            if batch.len() > before {
                return Poll::Ready(Ok(()));
            }
            match received {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(ClientError::Socket(error).into()));
                }
                Poll::Pending => return self.poll_end(cx).map(Err),
            }
        }
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Polls for the end of the association, which is the end of its control connection. What the proxy
    /// sends on that means nothing, and too much of it is an error.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let step = Step::Relay;
        if !self.association.has_ended() {
            let ended = ready!(self.control.poll_end(cx, &mut self.io, |_| Ok(())));
            self.association.end();
            if let Err(source) = ended {
                return Poll::Ready(ClientError::Io { step, source }.into());
            }
        }
        Poll::Ready(ClientError::Closed { step }.into())
    }
}

impl<Io> Drop for ProxyReceiver<Io> {
    fn drop(&mut self) {
        self.association.end();
    }
}

/// Takes the header off a datagram of the relay's, and returns its source and payload. Malformed ones
/// are dropped, and so are fragments, which an implementation without reassembly must drop (RFC 1928
/// section 7).
fn without_header(datagram: &[u8]) -> Option<(Address, &[u8])> {
    let Ok(Decoded::Done(header, len)) = UdpHeader::decode(datagram) else {
        return None;
    };
    let source = header.address.canonical().ok()?;
    let payload = datagram.get(len..)?;
    (header.fragment == 0).then_some((source, payload))
}
