//! Requests for datagrams.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{LocalSocket, ProxySocket};
use crate::{
    client::{Client, ClientAuth, ClientError, bnd, handshake::Replied},
    proto::{Address, Command, IntoAddress, UdpOverTcp},
    session::Connected,
};

impl<L> Client<L> {
    /// Requests a relay for datagrams (RFC 1928 sections 4 and 7, UDP ASSOCIATE), and opens a socket
    /// towards it. The request does not say where the datagrams will come from, since a NAT between
    /// here and the proxy may change that.
    ///
    /// The association lasts as long as `io`, which stays with the socket.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says at which step it failed and whose fault it was; [`ClientError::NoRelay`] where
    /// the proxy replies with a name (nothing is resolved here), a multicast address, port 0, or a
    /// wildcard and its [address](Self::proxy_address) is not known; [`ClientError::ForeignRelay`] where
    /// it replies with [somebody else's](Self::any_relay); [`ClientError::Socket`] where the method of authentication
    /// encapsulates the stream and cannot seal datagrams. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn associate<Io>(&self, io: Io) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let near = bnd::NearEnd::of(&io);
        self.associate_with(io, LocalSocket::beside(near)).await
    }

    /// Requests a relay for datagrams from a socket bound to `local` (port 0 is any), which the request
    /// states: some proxies expect datagrams from there only. Not for use behind a NAT.
    ///
    /// # Errors
    ///
    /// Those of [`associate`](Self::associate), and [`ClientError::Socket`] where `local` is no
    /// address of this machine, is in use, or is not of the family of the proxy's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn associate_from<Io>(
        &self,
        io: Io,
        local: SocketAddr,
    ) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.associate_with(io, LocalSocket::bind(local)?).await
    }

    /// Requests a relay through a transport, and sends from where that leaves: its type says so, which the stream in it may
    /// not have.
    pub(crate) async fn associate_via<Io>(
        &self,
        transport: Connected<Io>,
    ) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let local = LocalSocket::beside(bnd::NearEnd::of(&transport));
        self.associate_with(transport.into_inner(), local).await
    }

    async fn associate_with<Io>(
        &self,
        io: Io,
        local: LocalSocket,
    ) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (proxy, relays) = self.relays(&io);
        let target = Address::Ip(local.stated());
        let Replied { io, bound, sealing } =
            self.request(io, Command::UDP_ASSOCIATE, target).await?;
        ProxySocket::open(io, local, bnd::relay(bound, proxy, relays)?, sealing)
    }

    /// Requests a stream for datagrams by UDP over TCP, version 2: they travel in frames, each with its address, and
    /// need no port beside the proxy's, and no address of ours but the stream's. A CONNECT to a name that stands for
    /// no host: a proxy that does not know it replies with a failure, most often 04.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says at which step it failed and whose fault it was. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn udp_over_tcp<Io>(&self, io: Io) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        self.udp_over_tcp_by(io, UdpOverTcp::V2).await
    }

    /// Requests the same by another protocol: for proxies that know only version 1, or hev's FWD UDP.
    ///
    /// # Errors
    ///
    /// Those of [`udp_over_tcp`](Self::udp_over_tcp). A proxy that does not know FWD UDP replies with 07.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn udp_over_tcp_by<Io>(
        &self,
        io: Io,
        protocol: UdpOverTcp,
    ) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let request = self.request(io, protocol.command(), protocol.target());
        let Replied { io, .. } = request.await?;
        Ok(ProxySocket::over_stream(io, protocol))
    }

    /// Requests a stream for datagrams to one destination and from it, by version 2. The proxy is told the
    /// destination once, and frames have no addresses: that is two octets for each datagram.
    ///
    /// # Errors
    ///
    /// Those of [`udp_over_tcp`](Self::udp_over_tcp). Sending elsewhere is
    /// [`ClientError::OtherDestination`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn udp_over_tcp_to<Io>(
        &self,
        io: Io,
        destination: impl IntoAddress,
    ) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let destination = destination.into_address();
        let destination = destination.map_err(ClientError::InvalidTarget)?;
        let protocol = UdpOverTcp::V2;
        let request = self.request(io, protocol.command(), protocol.target());
        let Replied { io, .. } = request.await?;
        Ok(ProxySocket::over_stream_to(io, destination))
    }
}
