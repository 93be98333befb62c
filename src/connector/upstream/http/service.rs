use std::{
    fmt::{self, Write},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, time::timeout};
use tower_service::Service;

use super::{BasicAuth, HttpError, InvalidHeader, header::Header, response};
use crate::{
    client::ProxySocket,
    connector::{
        Announcement,
        direct::Direct,
        upstream::{
            DnsMode, MakeUpstream, RemoteDns, ResponseFuture, Transport,
            candidates::{first_that_works, logged},
            open_socket::{OpenSocket, connect_target, not_opened},
            proxy::Proxy,
        },
    },
    error::BoxError,
    proto::{Address, Command, IntoAddress, UdpOverTcp},
    session::{Connected, Request, Target},
};

/// Connects through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6). See the
/// [module](crate::connector::upstream).
///
/// `C` is the transport to the proxy, and `N` where the names of targets are resolved. Clones share
/// the credentials.
#[derive(Clone)]
pub struct HttpUpstream<C = Direct, N = RemoteDns> {
    proxy: Proxy,
    transport: C,
    dns: N,
    credentials: Option<BasicAuth>,
    headers: Vec<Header>,
    limit: Duration,
    udp_over_tcp: UdpOverTcp,
}

impl HttpUpstream {
    /// Connects through this proxy, which is dialled from this machine, without authentication, within
    /// 30 s. Names are sent to the proxy as names.
    ///
    /// The proxy is an address or text such as `"127.0.0.1:3128"`. Text that is no address makes each
    /// request fail with [`ClientError::InvalidProxy`](crate::ClientError::InvalidProxy) in an
    /// [`HttpError::Unreachable`].
    #[must_use]
    pub fn new(proxy: impl IntoAddress) -> Self {
        Self {
            proxy: Proxy::new(proxy),
            transport: Direct::new(),
            dns: RemoteDns,
            credentials: None,
            headers: Vec::new(),
            limit: Duration::from_secs(30),
            udp_over_tcp: UdpOverTcp::V2,
        }
    }
}

impl<C, N> HttpUpstream<C, N> {
    /// Reaches the proxy by another connector: one that puts TLS on top, or another upstream.
    #[must_use]
    pub fn via<T: Transport>(self, transport: T) -> HttpUpstream<T, N> {
        HttpUpstream {
            proxy: self.proxy,
            transport,
            dns: self.dns,
            credentials: self.credentials,
            headers: self.headers,
            limit: self.limit,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Sends credentials (`Proxy-Authorization`, RFC 9110 section 11.7.2) with the first request, before
    /// the proxy asks for them.
    #[must_use]
    pub fn credentials(mut self, credentials: BasicAuth) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sends this field with each request: a token of another scheme than Basic
    /// (`Proxy-Authorization`), or what the proxy tells its users apart by. Fields are sent in the
    /// order in which they are added, and never printed. A `Proxy-Authorization` among them is sent in
    /// place of the [credentials](Self::credentials).
    ///
    /// ```
    /// use tower_socks::connector::upstream::{HttpUpstream, InvalidHeader};
    ///
    /// let upstream = HttpUpstream::new("proxy.example:3128").header("User-Agent", "backup/1.2")?;
    /// let forged = upstream.header("X-Team", "a\r\nHost: b");
    /// assert_eq!(forged.err(), Some(InvalidHeader::Value));
    /// # Ok::<(), InvalidHeader>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`] when it would not be one field, or is one of the request itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.headers.push(Header::new(name, value)?);
        Ok(self)
    }

    /// Announces clients to the proxy, by a PROXY header in front of the request: the proxy has to expect it. What
    /// the announcement lists makes no difference here.
    #[must_use]
    pub fn announce(mut self, announcement: Announcement) -> Self {
        self.proxy.announce(announcement);
        self
    }

    /// Bounds the time to reach the proxy, and then that until its response: 30 s each by default. The
    /// latter includes the proxy's own dial. A lookup on this machine has as much.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Resolves the names of targets here, by this resolver, and sends addresses to the proxy:
    /// policies are then asked about each of them. Of a name with several addresses the next one is
    /// tried where the proxy could not reach the one before.
    #[must_use]
    pub fn local_dns<R>(self, resolver: R) -> HttpUpstream<C, R>
    where
        R: crate::connector::resolve::Resolve,
    {
        HttpUpstream {
            proxy: self.proxy,
            transport: self.transport,
            dns: resolver,
            credentials: self.credentials,
            headers: self.headers,
            limit: self.limit,
            udp_over_tcp: self.udp_over_tcp,
        }
    }

    /// Sets the protocol by which [datagrams](Self::into_transports) go to the proxy: version 2 by default.
    /// FWD UDP, which no CONNECT can ask for, refuses each association with 07.
    #[must_use]
    pub const fn udp_over_tcp(mut self, protocol: UdpOverTcp) -> Self {
        self.udp_over_tcp = protocol;
        self
    }

    /// Turns this into datagrams by the same proxy, by [UDP over TCP](Self::udp_over_tcp): a service for
    /// [`Associate::with_transports`](crate::connector::associate::Associate::with_transports).
    #[must_use]
    pub const fn into_transports(self) -> MakeUpstream<Self> {
        MakeUpstream::new(self)
    }
}

impl<C: Transport, N: DnsMode> HttpUpstream<C, N> {
    async fn connect<T: Target>(self, target: T) -> Result<Connected<C::Io>, BoxError> {
        let connect = |candidate| self.connect_to(candidate, target.request());
        first_that_works(&target, self.dns.clone(), self.limit, connect).await
    }

    async fn connect_to(
        &self,
        target: Address,
        client: Option<&Request>,
    ) -> Result<Connected<C::Io>, HttpError> {
        let outcome = self.request(&target, client).await;
        logged(&self.proxy, Command::CONNECT, &target, outcome)
    }

    async fn request(
        &self,
        target: &Address,
        client: Option<&Request>,
    ) -> Result<Connected<C::Io>, HttpError> {
        let head = self.head(target);
        let reached = self.proxy.reach(self.transport.clone(), client, self.limit);
        let transport = reached.await.map_err(HttpError::Unreachable)?;
        let relay = transport.relay();
        let mut io = transport.into_inner();
        let dialogue = async {
            io.write_all(head.as_bytes()).await.map_err(HttpError::Io)?;
            io.flush().await.map_err(HttpError::Io)?;
            let response::Response { status, schemes } = response::read(&mut io).await?;
            match status {
                200..=299 => Ok(()),
                _ => Err(HttpError::Status { status, schemes }),
            }
        };
        match timeout(self.limit, dialogue).await {
            Ok(outcome) => outcome?,
            Err(source) => {
                return Err(HttpError::TimedOut {
                    limit: self.limit,
                    source,
                });
            }
        }
        // HTTP has no BND: the proxy's local address is not known.
        let stream = Connected::new(io, Address::UNSPECIFIED).through_proxy();
        Ok(stream.with_relay(relay))
    }

    /// Encodes the request, in the authority form of RFC 9112 section 3.2.3.
    fn head(&self, target: &Address) -> String {
        let authority = target.to_string();
        // A name has nothing in it that would end the line, or the host in it: see `DomainName`.
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        let is_authorized = |header: &Header| header.is("Proxy-Authorization");
        if let Some(credentials) = &self.credentials
            && !self.headers.iter().any(is_authorized)
        {
            // Writing into a string does not fail.
            let _ = write!(
                request,
                "Proxy-Authorization: Basic {}\r\n",
                credentials.as_str()
            );
        }
        for header in &self.headers {
            let _ = write!(request, "{header}\r\n");
        }
        request.push_str("\r\n");
        request
    }
}

impl<C, N> OpenSocket for HttpUpstream<C, N>
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
        let outcome = self.request(&target, Some(request)).await;
        let outcome = outcome.map_err(HttpError::of_udp_over_tcp);
        let stream = logged(&self.proxy, Command::CONNECT, &target, outcome).map_err(not_opened)?;
        Ok(ProxySocket::over_stream(
            stream.into_inner(),
            self.udp_over_tcp,
        ))
    }
}

impl<C, N, T> Service<T> for HttpUpstream<C, N>
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

impl<C, N> fmt::Debug for HttpUpstream<C, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("proxy", &self.proxy)
            .field("credentials", &self.credentials)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
