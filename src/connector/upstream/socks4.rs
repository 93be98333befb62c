use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use super::{
    DnsMode, MakeUpstream, RemoteDns, ResponseFuture, Transport, UpstreamBind,
    candidates::{first_that_works, logged},
    ipv4_only::Ipv4Only,
    listen::Listen,
    open_socket::{OpenSocket, connect_target, not_opened},
    proxy::Proxy,
};
use crate::{
    client::{ClientError, ProxyListener, ProxySocket, Socks4Client},
    connector::{Announcement, direct::Direct},
    error::BoxError,
    proto::{Address, Command, IntoAddress, UdpOverTcp},
    relay::Relay,
    session::{Connected, Request, Target},
};

/// Connects through a SOCKS4 or SOCKS4a proxy. See the [module](super).
///
/// `C` is the transport to the proxy, and `N` where the names of targets are resolved. IPv6 targets are refused with
/// 08, before the proxy is asked: of a name that is resolved here, the IPv4 addresses are used. UDP ASSOCIATE is
/// unknown to SOCKS4, and datagrams go by [UDP over TCP](Self::into_transports), to addresses of both families.
#[derive(Clone)]
pub struct Socks4Upstream<C = Direct, N = RemoteDns> {
    proxy: Proxy,
    transport: C,
    client: Socks4Client,
    dns: N,
    udp_over_tcp: UdpOverTcp,
}

impl Socks4Upstream {
    /// Connects through this proxy, which is dialled from this machine, without a USERID. Names are sent to the
    /// proxy as names (`socks4a`): one that speaks SOCKS4 alone needs [`local_dns`](Self::local_dns).
    ///
    /// The proxy is an address or text such as `"127.0.0.1:9050"`. Text that is no address makes each
    /// request fail with [`ClientError::InvalidProxy`].
    #[must_use]
    pub fn new(proxy: impl IntoAddress) -> Self {
        Self {
            proxy: Proxy::new(proxy),
            transport: Direct::new(),
            client: Socks4Client::new(),
            dns: RemoteDns,
            udp_over_tcp: UdpOverTcp::V2,
        }
    }
}

impl<C, N> Socks4Upstream<C, N> {
    /// Reaches the proxy by another connector: one that puts TLS on top, or another upstream.
    #[must_use]
    pub fn via<T: Transport>(self, transport: T) -> Socks4Upstream<T, N> {
        Socks4Upstream {
            proxy: self.proxy,
            transport,
            client: self.client,
            dns: self.dns,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Sets the client that speaks to the proxy: with a USERID, or with another limit.
    #[must_use]
    pub fn client(mut self, client: Socks4Client) -> Self {
        self.client = client;
        self
    }

    /// Resolves the names of targets here, by this resolver, and sends addresses to the proxy
    /// (`socks4`): policies are then asked about each of them. Of a name with several addresses the next one is
    /// tried where the proxy could not reach the one before.
    #[must_use]
    pub fn local_dns<R>(self, resolver: R) -> Socks4Upstream<C, R>
    where
        R: crate::connector::resolve::Resolve,
    {
        Socks4Upstream {
            proxy: self.proxy,
            transport: self.transport,
            client: self.client,
            dns: resolver,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Announces clients to the proxy, by a PROXY header in front of each request: the proxy has to expect it. What
    /// the announcement lists makes no difference here.
    #[must_use]
    pub fn announce(mut self, announcement: Announcement) -> Self {
        self.proxy.announce(announcement);
        self
    }

    /// Turns this into BIND by the same proxy: a service for
    /// [`Connector::with_bind`](crate::Connector::with_bind).
    #[must_use]
    pub fn into_bind(self) -> UpstreamBind<Self> {
        UpstreamBind::new(self)
    }

    /// Sets the protocol by which [datagrams](Self::into_transports) go to the proxy: version 2 by default.
    /// FWD UDP, which no CONNECT can ask for, refuses each association with 07.
    #[must_use]
    pub const fn udp_over_tcp(mut self, protocol: UdpOverTcp) -> Self {
        self.udp_over_tcp = protocol;
        self
    }

    /// Turns this into datagrams by the same proxy, by [UDP over TCP](Self::udp_over_tcp): a service for
    /// [`Associate::with_transports`](crate::connector::associate::Associate::with_transports). It is asked for by
    /// a name, which takes SOCKS4a, also where the names of targets are resolved here.
    #[must_use]
    pub const fn into_transports(self) -> MakeUpstream<Self> {
        MakeUpstream::new(self)
    }
}

impl<C: Transport, N: DnsMode> Socks4Upstream<C, N> {
    async fn connect<T: Target>(self, target: T) -> Result<Connected<C::Io>, BoxError> {
        let connect = |candidate| self.connect_to(candidate, target.request());
        let dns = Ipv4Only(self.dns.clone());
        first_that_works(&target, dns, self.client.limit(), connect).await
    }

    async fn connect_to(
        &self,
        target: Address,
        request: Option<&Request>,
    ) -> Result<Connected<C::Io>, ClientError> {
        let connecting = async {
            let transport = self.stream(Command::CONNECT, &target, request).await?;
            let relay = transport.relay();
            let stream = self.client.connect(transport.into_inner(), &target);
            Ok(stream.await?.with_relay(relay))
        };
        logged(&self.proxy, Command::CONNECT, &target, connecting.await)
    }

    /// Opens a stream to the proxy for a request that can be asked.
    async fn stream(
        &self,
        command: Command,
        target: &Address,
        request: Option<&Request>,
    ) -> Result<Connected<C::Io>, ClientError> {
        self.client.encode(command, target)?;
        let (transport, limit) = (self.transport.clone(), self.client.limit());
        self.proxy.reach(transport, request, limit).await
    }
}

impl<C, N> Listen for Socks4Upstream<C, N>
where
    C: Transport + Sync,
    N: DnsMode + Sync,
{
    type Io = C::Io;
    type Dns = Ipv4Only<N>;

    fn dns(&self) -> Ipv4Only<N> {
        Ipv4Only(self.dns.clone())
    }

    fn limit(&self) -> Duration {
        self.client.limit()
    }

    async fn listen(
        &self,
        request: &Request,
        peer: &Address,
    ) -> Result<(ProxyListener<C::Io>, Relay), ClientError> {
        let listening = async {
            let stream = self.stream(Command::BIND, peer, Some(request)).await?;
            let relay = stream.relay();
            let client = self.client.clone().via(&stream, self.proxy.address()?);
            let listener = client.bind(stream.into_inner(), peer).await?;
            Ok((listener, relay))
        };
        logged(&self.proxy, Command::BIND, peer, listening.await)
    }
}

impl<C, N> OpenSocket for Socks4Upstream<C, N>
where
    C: Transport + Sync,
    N: DnsMode + Sync,
{
    type Io = C::Io;

    fn resolves_names(&self) -> bool {
        N::REMOTE
    }

    async fn open_socket(&self, request: &Request) -> Result<ProxySocket<C::Io>, BoxError> {
        let target = connect_target(self.udp_over_tcp)?;
        let stream = self.connect_to(target, Some(request)).await;
        let stream = stream.map_err(not_opened)?;
        Ok(ProxySocket::over_stream(
            stream.into_inner(),
            self.udp_over_tcp,
        ))
    }
}

impl<C, N, T> Service<T> for Socks4Upstream<C, N>
where
    C: Transport + Sync,
    N: DnsMode + Sync,
    T: Target + Sync,
{
    type Response = Connected<C::Io>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // The transport is polled on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        ResponseFuture::new(self.clone().connect(target))
    }
}

impl<C, N> fmt::Debug for Socks4Upstream<C, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks4Upstream")
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
