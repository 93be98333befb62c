use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    ProxyReceiver, ProxySender,
    association::{Association, LocalSocket},
    framed,
    relay::{RelayReceiver, RelaySender},
};
use crate::{
    client::ClientError,
    datagram::{DatagramTransport, Datagrams},
    io::Sealing,
    proto::{Address, IntoAddress, UdpOverTcp},
};

/// Sends and receives datagrams through the proxy. Returned by
/// [`Client::associate`](crate::Client::associate) (RFC 1928 section 7), where they go to its relay as UDP, and by
/// [`Client::udp_over_tcp`](crate::Client::udp_over_tcp), where they travel in the stream to it.
///
/// Datagrams go to and come from targets, by name or address; their headers are added and removed
/// here. As elsewhere with UDP, they may be lost without an error; but none is ever cut. Datagrams
/// from elsewhere than the proxy's relay are dropped, and so are its fragments (FRAG). A malformed frame ends the
/// association, since nobody knows where the next one begins.
///
/// The association lasts as long as its control connection, or the stream. When the proxy closes that, sending and
/// receiving fail with a [`ClientError::Closed`] inside the error, and dropping the socket closes
/// it.
///
/// Over a stream, sending waits while the proxy does not read, and what waits is one datagram or batch at most.
/// A proxy that drops datagrams while we do not read loses none of ours by that: receive all the same.
///
/// It is a [`DatagramTransport`] as well, for the datagrams of a server's clients.
#[derive(Debug)]
pub struct ProxySocket<Io> {
    receiver: ProxyReceiver<Io>,
    sender: ProxySender<Io>,
}

impl<Io> ProxySocket<Io> {
    pub(super) fn open(
        control: Io,
        local: LocalSocket,
        relay: SocketAddr,
        sealing: Sealing,
    ) -> Result<Self, ClientError> {
        let association = Arc::new(Association::open(local, relay, sealing)?);
        Ok(Self {
            receiver: ProxyReceiver::from_relay(RelayReceiver::new(
                control,
                Arc::clone(&association),
            )),
            sender: ProxySender::to_relay(RelaySender::new(association)),
        })
    }

    /// Returns the address of the proxy's relay, which datagrams are sent to; `None` where they travel in the stream.
    pub fn relay_addr(&self) -> Option<SocketAddr> {
        self.receiver.relay_addr()
    }

    /// Returns the local address of the socket towards the relay. A NAT may show the proxy another one.
    ///
    /// # Errors
    ///
    /// When the system does not tell, and [`io::ErrorKind::Unsupported`] where datagrams travel in the stream, and
    /// there is no such socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.receiver.local_addr()
    }

    /// Returns the largest payload that can go to `target`, in octets: 65,507 less the header, which
    /// takes 10 for an IPv4 address, 22 for an IPv6 address, and 262 for a name, however short
    /// (RFC 1928 section 7). Where datagrams are sealed (RFC 1961), it is less by what that adds. In a stream it is 65,507, and with [`UdpOverTcp::ForwardUdp`] 1,500 less 7, 19, or 4 and
    /// the length of the name; nothing can go to a name of more than 248 octets by that, and it is 0.
    ///
    /// A datagram that is larger than the path's MTU travels in IP fragments, and is lost with any of
    /// them: 1,200 octets less the header get through nearly everywhere. In a stream that is true behind the proxy
    /// only.
    #[must_use]
    pub fn max_payload(&self, target: &Address) -> usize {
        self.sender.max_payload(target)
    }

    /// Splits the socket into halves for two tasks. The one that receives keeps the association.
    pub fn into_split(self) -> (ProxySender<Io>, ProxyReceiver<Io>) {
        (self.sender, self.receiver)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> ProxySocket<Io> {
    /// Sends and receives datagrams in a stream that leads to a proxy for UDP over TCP: one that a connector has opened
    /// to [`UdpOverTcp::target`], be it through proxies of HTTP or SOCKS4a. For
    /// [`UdpOverTcp::ForwardUdp`] it is one behind the reply to that command.
    ///
    /// Nothing is sent yet: the request of version 2 goes in one write with the first datagram, or once somebody
    /// receives.
    ///
    /// ```
    /// use tokio::net::TcpListener;
    /// use tower::ServiceExt;
    /// use tower_socks::{client::ProxySocket, connector::direct::Direct, proto::UdpOverTcp};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// # let proxy = TcpListener::bind("127.0.0.1:0").await?;
    /// // In place of a proxy, which would be asked for `UdpOverTcp::V1.target()`.
    /// let stream = Direct::new().oneshot(proxy.local_addr()?).await?;
    /// let mut socket = ProxySocket::over_stream(stream, UdpOverTcp::V1);
    /// socket.send_to(b"ping", "192.0.2.1:53").await?;
    ///
    /// # let (mut proxy, _) = proxy.accept().await?;
    /// # let mut frame = [0; 13];
    /// # tokio::io::AsyncReadExt::read_exact(&mut proxy, &mut frame).await?;
    /// assert_eq!(&frame, b"\x00\xc0\x00\x02\x01\x00\x35\x00\x04ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn over_stream(io: Io, protocol: UdpOverTcp) -> Self {
        Self::in_frames(io, protocol, None)
    }

    /// The same by version 2, with one destination for all datagrams, which the proxy is told once: frames have no
    /// addresses. Sending elsewhere is [`ClientError::OtherDestination`], and nothing comes from elsewhere.
    pub fn over_stream_to(io: Io, destination: Address) -> Self {
        Self::in_frames(io, UdpOverTcp::V2, Some(destination))
    }

    fn in_frames(io: Io, protocol: UdpOverTcp, destination: Option<Address>) -> Self {
        let (sender, receiver) = framed::halves(io, protocol, destination);
        Self {
            receiver: ProxyReceiver::in_frames(receiver),
            sender: ProxySender::in_frames(sender),
        }
    }

    /// Sends a datagram to `target`.
    ///
    /// # Errors
    ///
    /// [`ClientError::TooLarge`] inside the error where it does not fit into a datagram or frame to the proxy:
    /// nothing is sent then, and never a part. Up to [`max_payload`](Self::max_payload) always fits.
    /// [`ClientError::OtherDestination`] where the socket has only one. [`ClientError::Closed`] once the association
    /// is over; otherwise the error of the system, or [`ClientError::Io`] of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: the datagram is not sent, or goes as a whole with the next call, where a stream had
    /// taken a part of it.
    pub async fn send_to(&mut self, payload: &[u8], target: impl IntoAddress) -> io::Result<()> {
        let target = target.into_address().map_err(ClientError::InvalidTarget)?;
        poll_fn(|cx| self.poll_send_to(cx, payload, &target)).await?;
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Polls for room to send a datagram to `target`, and sends it: [`send_to`](Self::send_to) for a
    /// future of your own.
    ///
    /// Over a stream there is room once all datagrams before have left, and what the stream does not take at once is
    /// kept: it leaves with the next call, be it to receive. [`poll_flush`](Self::poll_flush) waits for that.
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

    /// Ready once nothing waits that an earlier call has taken.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] inside the error once the association is over, and [`ClientError::Io`] when the
    /// stream failed.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.poll_flush(cx)
    }

    /// Receives a datagram, and returns its length in octets and its source as the proxy states it.
    ///
    /// One that does not fit into `buf` is dropped, as it would otherwise have to be cut. Room for
    /// 65,507 octets is always enough.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] or [`ClientError::Io`] inside the error once the association is over, and
    /// [`ClientError::BadFrame`] after a frame that is none. Datagrams that arrive then may be lost.
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

    /// Sends many datagrams, in few system calls, and removes them from `out`: to a relay where several of one size
    /// follow each other, over a stream in any case. Those that cannot be sent, too large ones for instance, are
    /// dropped.
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

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> DatagramTransport for ProxySocket<Io> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        self.poll_send_batch(cx, out)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        self.receiver.poll_recv_batch(cx, into)
    }
}
