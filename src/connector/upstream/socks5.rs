use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use super::{
    DnsMode, MakeUpstream, RemoteDns, ResponseFuture, Transport, UpstreamBind, UpstreamResolver,
    candidates::{first_that_works, logged},
    listen::Listen,
    open_socket::{OpenSocket, not_opened},
    proxy::Proxy,
};
use crate::{
    client::{Client, ClientAuth, ClientError, DefaultAuth, ProxyListener, ProxySocket},
    connector::{Announcement, direct::Direct},
    error::BoxError,
    proto::{Address, Command, IntoAddress, UdpOverTcp},
    relay::Relay,
    session::{Connected, Request, Target},
};

/// Connects through a SOCKS5 proxy. See the [module](super).
///
/// `C` is the transport to the proxy, `L` the authentication, and `N` where the names of targets are
/// resolved. Clones share the credentials.
#[derive(Clone)]
pub struct Socks5Upstream<C = Direct, L = DefaultAuth, N = RemoteDns> {
    pub(super) proxy: Proxy,
    pub(super) transport: C,
    pub(super) client: Client<L>,
    pub(super) dns: N,
    /// In place of UDP ASSOCIATE.
    pub(super) udp_over_tcp: Option<UdpOverTcp>,
}

impl Socks5Upstream {
    /// Connects through this proxy, which is dialled from this machine, without authentication. Names
    /// are sent to the proxy as names (`socks5h`).
    ///
    /// The proxy is an address or text such as `"127.0.0.1:9050"`. Text that is no address makes each
    /// request fail with [`ClientError::InvalidProxy`].
    #[must_use]
    pub fn new(proxy: impl IntoAddress) -> Self {
        Self {
            proxy: Proxy::new(proxy),
            transport: Direct::new(),
            client: Client::new(),
            dns: RemoteDns,
            udp_over_tcp: None,
        }
    }
}

impl<C, L, N> Socks5Upstream<C, L, N> {
    /// Reaches the proxy by another connector: one that puts TLS on top, or another upstream.
    #[must_use]
    pub fn via<T: Transport>(self, transport: T) -> Socks5Upstream<T, L, N> {
        Socks5Upstream {
            proxy: self.proxy,
            transport,
            client: self.client,
            dns: self.dns,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Sets the client that speaks to the proxy: with credentials, optimistic, with another limit.
    #[must_use]
    pub fn client<T>(self, client: Client<T>) -> Socks5Upstream<C, T, N> {
        Socks5Upstream {
            proxy: self.proxy,
            transport: self.transport,
            client,
            dns: self.dns,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Resolves the names of targets here, by this resolver, and sends addresses to the proxy
    /// (`socks5`): policies are then asked about each of them.
    ///
    /// Of a name with several addresses the next one is tried where the proxy could not reach the
    /// one before. A datagram to a name is dropped, since it would have to wait for a lookup. The name that
    /// [UDP over TCP](Self::udp_over_tcp) is asked by is no target, and goes to the proxy in any case.
    #[must_use]
    pub fn local_dns<R>(self, resolver: R) -> Socks5Upstream<C, L, R>
    where
        R: crate::connector::resolve::Resolve,
    {
        Socks5Upstream {
            proxy: self.proxy,
            transport: self.transport,
            client: self.client,
            dns: resolver,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Announces clients to the proxy, by a PROXY header in front of each connection, also those for
    /// BIND, UDP ASSOCIATE and RESOLVE: the proxy has to expect it. What
    /// the announcement lists makes no difference here.
    #[must_use]
    pub fn announce(mut self, announcement: Announcement) -> Self {
        self.proxy.announce(announcement);
        self
    }

    /// Asks for datagrams by UDP over TCP, in place of UDP ASSOCIATE: they take the stream to the proxy, and with it the
    /// whole chain and its TLS. For proxies whose datagrams we cannot reach, and for those that offer nothing else.
    ///
    /// ```
    /// use tower_socks::{Connector, connector::upstream::Socks5Upstream, proto::UdpOverTcp};
    ///
    /// let upstream = Socks5Upstream::new("proxy.example:1080").udp_over_tcp(UdpOverTcp::V2);
    /// let connector = Connector::upstream(upstream);
    /// # _ = connector;
    /// ```
    #[must_use]
    pub const fn udp_over_tcp(mut self, protocol: UdpOverTcp) -> Self {
        self.udp_over_tcp = Some(protocol);
        self
    }

    /// Turns this into BIND by the same proxy: a service for
    /// [`Connector::with_bind`](crate::Connector::with_bind).
    #[must_use]
    pub fn into_bind(self) -> UpstreamBind<Self> {
        UpstreamBind::new(self)
    }

    /// Turns this into datagrams by the same proxy: a service for
    /// [`Associate::with_transports`](crate::connector::associate::Associate::with_transports).
    #[must_use]
    pub const fn into_transports(self) -> MakeUpstream<Self> {
        MakeUpstream::new(self)
    }
}

impl<C, L, N> Socks5Upstream<C, L, N>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
{
    /// Turns this into a resolver that asks the same proxy, by RESOLVE and RESOLVE_PTR, as Tor knows them.
    #[must_use]
    pub fn into_resolver(self) -> UpstreamResolver<C, L> {
        UpstreamResolver::new(Socks5Upstream {
            proxy: self.proxy,
            transport: self.transport,
            client: self.client,
            dns: RemoteDns,
            udp_over_tcp: self.udp_over_tcp,
        })
    }
}

impl<C: Transport, L, N> Socks5Upstream<C, L, N> {
    /// Opens a stream to the proxy.
    pub(super) async fn stream(
        &self,
        request: Option<&Request>,
    ) -> Result<Connected<C::Io>, ClientError> {
        let (transport, limit) = (self.transport.clone(), self.client.limit());
        self.proxy.reach(transport, request, limit).await
    }

    /// Logs what became of a request.
    pub(super) fn logged<T>(
        &self,
        command: Command,
        target: &Address,
        outcome: Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        logged(&self.proxy, command, target, outcome)
    }
}

impl<C, L, N> Socks5Upstream<C, L, N>
where
    C: Transport,
    L: ClientAuth<C::Io>,
    N: DnsMode,
{
    async fn connect<T: Target>(self, target: T) -> Result<Connected<L::Stream>, BoxError> {
        let connect = |candidate| self.connect_to(candidate, target.request());
        first_that_works(&target, self.dns.clone(), self.client.limit(), connect).await
    }

    async fn connect_to(
        &self,
        target: Address,
        request: Option<&Request>,
    ) -> Result<Connected<L::Stream>, ClientError> {
        let connecting = async {
            let transport = self.stream(request).await?;
            let relay = transport.relay();
            let stream = self.client.connect(transport.into_inner(), &target);
            Ok(stream.await?.with_relay(relay))
        };
        logged(&self.proxy, Command::CONNECT, &target, connecting.await)
    }
}

impl<C, L, N> Listen for Socks5Upstream<C, L, N>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io, Stream: 'static> + Clone + 'static,
    N: DnsMode + Sync,
{
    type Io = L::Stream;
    type Dns = N;

    fn dns(&self) -> N {
        self.dns.clone()
    }

    fn limit(&self) -> Duration {
        self.client.limit()
    }

    async fn listen(
        &self,
        request: &Request,
        peer: &Address,
    ) -> Result<(ProxyListener<L::Stream>, Relay), ClientError> {
        let listening = async {
            let stream = self.stream(Some(request)).await?;
            let relay = stream.relay();
            let client = self.client.clone().via(&stream, self.proxy.address()?);
            let listener = client.bind(stream.into_inner(), peer).await?;
            Ok((listener, relay))
        };
        self.logged(Command::BIND, peer, listening.await)
    }
}

impl<C, L, N> OpenSocket for Socks5Upstream<C, L, N>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io, Stream: 'static> + Clone + 'static,
    N: DnsMode + Sync,
{
    type Io = L::Stream;

    fn resolves_names(&self) -> bool {
        N::REMOTE
    }

    async fn open_socket(&self, request: &Request) -> Result<ProxySocket<L::Stream>, BoxError> {
        let (command, target) = match self.udp_over_tcp {
            Some(protocol) => (protocol.command(), &protocol.target()),
            None => (Command::UDP_ASSOCIATE, &request.target),
        };
        let opening = async {
            let stream = self.stream(Some(request)).await?;
            let client = self.client.clone().via(&stream, self.proxy.address()?);
            match self.udp_over_tcp {
                Some(protocol) => client.udp_over_tcp_by(stream.into_inner(), protocol).await,
                None => client.associate_via(stream).await,
            }
        };
        let opened = self.logged(command, target, opening.await);
        opened.map_err(|error| match self.udp_over_tcp {
            Some(_) => not_opened(error),
            None => error.into(),
        })
    }
}

impl<C, L, N, T> Service<T> for Socks5Upstream<C, L, N>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
    N: DnsMode + Sync,
    T: Target + Sync,
{
    type Response = Connected<L::Stream>;
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

impl<C, L, N> fmt::Debug for Socks5Upstream<C, L, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5Upstream")
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
