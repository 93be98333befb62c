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
    association::{Association, LocalSocket},
};
use crate::{
    client::ClientError,
    datagram::{DatagramTransport, Datagrams},
    proto::{Address, IntoAddress},
};

/// Sends and receives datagrams through the proxy (RFC 1928 section 7). Returned by
/// [`Client::associate`](crate::Client::associate).
///
/// Datagrams go to and come from targets, by name or address; their headers are added and removed
/// here. As elsewhere with UDP, they may be lost without an error; but none is ever cut. Datagrams
/// from elsewhere than the proxy's relay are dropped, and so are its fragments (FRAG).
///
/// The association lasts as long as its control connection. When the proxy closes that, sending and
/// receiving fail with a [`ClientError::Closed`] inside the error, and dropping the socket closes
/// it.
///
/// It is a [`DatagramTransport`] as well, for the datagrams of a server's clients.
#[derive(Debug)]
pub struct ProxySocket<Io> {
    receiver: ProxyReceiver<Io>,
    sender: ProxySender,
}

impl<Io> ProxySocket<Io> {
    pub(in crate::client) fn open(
        control: Io,
        local: LocalSocket,
        relay: SocketAddr,
    ) -> Result<Self, ClientError> {
        let association = Arc::new(Association::open(local, relay)?);
        Ok(Self {
            receiver: ProxyReceiver::new(control, Arc::clone(&association)),
            sender: ProxySender::new(association),
        })
    }

    /// Returns the address of the proxy's relay, which datagrams are sent to.
    pub fn relay_addr(&self) -> SocketAddr {
        self.receiver.association().relay
    }

    /// Returns the local address of the socket. A NAT may show the proxy another one.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.receiver.association().socket.local_addr()
    }

    /// Returns the largest payload that can go to `target`, in octets: 65,507 less the header, which
    /// takes 10 for an IPv4 address, 22 for an IPv6 address, and 262 for a name, however short
    /// (RFC 1928 section 7).
    ///
    /// A datagram that is larger than the path's MTU travels in IP fragments, and is lost with any of
    /// them: 1,200 octets less the header get through nearly everywhere.
    #[must_use]
    pub const fn max_payload(&self, target: &Address) -> usize {
        self.sender.max_payload(target)
    }

    /// Splits the socket into halves for two tasks. The one that receives keeps the association.
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
    /// [`ClientError::Closed`] once the association is over; otherwise the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: the datagram is not sent.
    pub async fn send_to(&mut self, payload: &[u8], target: impl IntoAddress) -> io::Result<()> {
        let target = target.into_address().map_err(ClientError::InvalidTarget)?;
        poll_fn(|cx| self.poll_send_to(cx, payload, &target)).await
    }

    /// Polls for room to send a datagram to `target`, and sends it: [`send_to`](Self::send_to) for a
    /// future of your own.
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
        if let Poll::Ready(end) = self.receiver.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        self.sender.poll_send_to(cx, payload, target)
    }

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
        self.receiver.recv_from(buf).await
    }

    /// Polls for a datagram: [`recv_from`](Self::recv_from) for a future of your own.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Address)>> {
        self.receiver.poll_recv_from(cx, buf)
    }

    /// Sends many datagrams, in few system calls where several of one size follow each other, and
    /// removes them from `out`. Those that cannot be sent, too large ones for instance, are dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] or [`ClientError::Io`] inside the error once the association is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: what has been removed from `out` and is not sent yet goes with the next
    /// datagrams.
    pub async fn send_batch(&mut self, out: &mut Datagrams) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_batch(cx, out)).await
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
