use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::AsyncRead;

use super::{
    ProxyReceiver, ProxySender,
    association::{Local, Relay},
};
use crate::{
    client::ClientError,
    datagram::{DatagramTransport, Datagrams},
    proto::Address,
};

/// A UDP socket at the proxy: what [`Client::associate`](crate::Client::associate) answers
/// (RFC 1928 section 7).
///
/// Datagrams go to and come from targets, by name or address; the headers are put on and taken off
/// here. As over UDP elsewhere, they may be lost, and nobody is told; but none is ever cut. Only the
/// proxy's relay is heard. Fragments of its (FRAG) are dropped.
///
/// The association lasts as long as its control connection. When the proxy closes that, sending and
/// receiving fail with a [`ClientError::Closed`] inside the error, and dropping the socket closes
/// it.
///
/// It is a [`DatagramTransport`] as well: the way on for the datagrams of a server's clients.
#[derive(Debug)]
pub struct ProxySocket<Io> {
    receiver: ProxyReceiver<Io>,
    sender: ProxySender,
}

impl<Io> ProxySocket<Io> {
    pub(in crate::client) fn open(
        control: Io,
        local: Local,
        bound: Address,
    ) -> Result<Self, ClientError> {
        let relay = Arc::new(Relay::open(local, bound)?);
        Ok(Self {
            receiver: ProxyReceiver::new(control, Arc::clone(&relay)),
            sender: ProxySender::new(relay),
        })
    }

    /// Where the proxy takes our datagrams.
    pub fn relay_addr(&self) -> SocketAddr {
        self.receiver.relay().address
    }

    /// Where our datagrams come from, as far as this machine knows.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.receiver.relay().socket.local_addr()
    }

    /// The largest payload that can go to `target`, in octets: 65,507 less the header, which takes
    /// 10 for an IPv4 address, 22 for an IPv6 address, and 262 for a name, however short (RFC 1928
    /// section 7).
    ///
    /// What is larger than a path takes in one piece travels in fragments of IP, and is lost with
    /// any of them: 1,200 octets less the header get through nearly everywhere.
    #[must_use]
    pub const fn max_payload(&self, target: &Address) -> usize {
        self.sender.max_payload(target)
    }

    /// The two halves, for two tasks. The one that receives keeps the association.
    pub fn into_split(self) -> (ProxySender, ProxyReceiver<Io>) {
        (self.sender, self.receiver)
    }
}

impl<Io: AsyncRead + Unpin> ProxySocket<Io> {
    /// Sends a datagram to `target`.
    ///
    /// # Errors
    ///
    /// [`ClientError::TooLarge`] inside the error where it does not fit into a datagram to the proxy:
    /// nothing is sent then, and never a part. Up to [`max_payload`](Self::max_payload) always fits.
    /// [`ClientError::Closed`] once the association is over; otherwise what the system says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: the datagram is not sent.
    pub async fn send_to(&mut self, payload: &[u8], target: &Address) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_to(cx, payload, target)).await
    }

    /// [`send_to`](Self::send_to), for use in a future of your own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_send_to(
        &mut self,
        cx: &mut Context<'_>,
        payload: &[u8],
        target: &Address,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = self.receiver.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        self.sender.poll_send_to(cx, payload, target)
    }

    /// Receives a datagram: its length in octets, and its source as the proxy tells it.
    ///
    /// One that does not fit into `buf` is dropped, as it would otherwise have to be cut. Room for
    /// 65,507 octets is always enough.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] or [`ClientError::Io`] inside the error once the association is over.
    /// Datagrams that are on their way then may be lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: no datagram is lost.
    pub async fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        self.receiver.recv_from(buf).await
    }

    /// [`recv_from`](Self::recv_from), for use in a future of your own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_recv_from(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Address)>> {
        self.receiver.poll_recv_from(cx, buf)
    }

    /// Sends many datagrams, in few system calls where several of one size follow each other, and
    /// takes them out of `out`. Those that cannot go, too large ones for instance, are dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] or [`ClientError::Io`] inside the error once the association is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: what has been taken out of `out` and is not sent yet goes with the next
    /// datagrams.
    pub async fn send_batch(&mut self, out: &mut Datagrams) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_batch(cx, out)).await
    }

    /// Receives what has arrived, one datagram at least, and adds it to `into`, in few system calls.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: no datagram is lost.
    pub async fn recv_batch(&mut self, into: &mut Datagrams) -> io::Result<()> {
        self.receiver.recv_batch(into).await
    }

    fn poll_send_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = self.receiver.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        self.sender.poll_send_batch(cx, out)
    }
}

impl<Io: AsyncRead + Unpin + Send + 'static> DatagramTransport for ProxySocket<Io> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        self.poll_send_batch(cx, out)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        self.receiver.poll_recv_batch(cx, into)
    }
}
