use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::messages;
use crate::{
    client::{
        ClientError, ProxyListener,
        bnd::{ProxyAddress, resolve_wildcard},
    },
    error::Step,
    proto::{
        Address, Command, Encoded, IntoAddress,
        socks4::{Request, Unencodable},
    },
    session::{Connected, Protocol},
};

/// Sends requests to a SOCKS4 proxy. See the [module](crate::client).
///
/// It asks by SOCKS4a, where the target is a name, and by SOCKS4 otherwise. IPv6 targets, and 0.0.0.x, which stands for
/// a name there, are refused before an octet is sent. USERID is what the proxy may call the client; nothing in
/// the protocol proves it, and there is no password.
///
/// It holds settings and no connection: each request goes over a stream that you open.
///
/// ```
/// use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
/// use tower_socks::{BoxError, ClientError, client::Socks4Client};
/// # use tower_socks::{AuthLayer, Connector, NoAuth, layer::socks4::Socks4Layer, serve};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// # let stack = tower::ServiceBuilder::new()
/// #     .layer(Socks4Layer::new())
/// #     .layer(AuthLayer::new(NoAuth))
/// #     .service(Connector::direct());
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let proxy = listener.local_addr()?;
/// # tokio::spawn(serve(listener, stack).into_future());
/// # let target = TcpListener::bind("127.0.0.1:0").await?;
/// # let port = target.local_addr()?.port();
/// let client = Socks4Client::new().user_id("joe");
/// let stream = TcpStream::connect(proxy).await?;
/// let mut stream = client.connect(stream, ("localhost", port)).await?;
/// # let (mut accepted, _) = target.accept().await?;
/// stream.write_all(b"ping").await?;
/// # assert_eq!(accepted.read_u32().await?, u32::from_be_bytes(*b"ping"));
///
/// let stream = TcpStream::connect(proxy).await?;
/// let error = client.connect(stream, "[2001:db8::1]:80").await.unwrap_err();
/// assert!(matches!(error, ClientError::Unencodable(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Socks4Client {
    user_id: Option<Arc<[u8]>>,
    takes_names: bool,
    limit: Duration,
    accept_limit: Duration,
    proxy: ProxyAddress,
}

impl Socks4Client {
    /// Creates a client without a USERID, which waits 30 s for the proxy.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            user_id: None,
            takes_names: true,
            limit: Duration::from_secs(30),
            accept_limit: Duration::from_secs(3 * 60),
            proxy: ProxyAddress::Peer,
        }
    }

    /// Sends this USERID, of 255 octets at most and without a NUL. With any other, each request fails with
    /// [`ClientError::Unencodable`].
    #[must_use]
    pub fn user_id(mut self, claim: impl AsRef<[u8]>) -> Self {
        self.user_id = Some(claim.as_ref().into());
        self
    }

    /// Asks by SOCKS4 alone, for a proxy that does not know SOCKS4a: names are refused.
    #[must_use]
    pub const fn without_names(mut self) -> Self {
        self.takes_names = false;
        self
    }

    /// Bounds the time from the first write to the end of the reply: 30 s by default. That includes
    /// the proxy's own dial.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Bounds the time until the peer of a BIND connects, from [`ProxyListener::accept`] on: 3 min by
    /// default.
    #[must_use]
    pub const fn accept_timeout(mut self, limit: Duration) -> Self {
        self.accept_limit = limit;
        self
    }

    /// Sets the proxy's address, for BIND: as [`Client::proxy_address`](crate::Client::proxy_address).
    #[must_use]
    pub const fn proxy_address(mut self, address: IpAddr) -> Self {
        self.proxy = ProxyAddress::Known(SocketAddr::new(address.to_canonical(), 0));
        self
    }

    /// Sets the proxy's address for a transport to `proxy`, unless it is set.
    pub(crate) fn via<Io: 'static>(mut self, transport: &Connected<Io>, proxy: &Address) -> Self {
        self.proxy = self.proxy.via(transport, proxy);
        self
    }

    /// Requests a stream to `target` (CONNECT). The stream that is returned is `io` itself: nothing is read ahead.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says at which step it failed and whose fault it was. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn connect<Io>(
        &self,
        mut io: Io,
        target: impl IntoAddress,
    ) -> Result<Connected<Io>, ClientError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let target = target.into_address().map_err(ClientError::InvalidTarget)?;
        let bound = self.request(&mut io, Command::CONNECT, &target).await?;
        Ok(Connected::new(io, bound).through_proxy())
    }

    /// Requests a listener for `peer` (BIND), most often the host of a connection by [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// [`ClientError`] says at which step it failed and whose fault it was. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn bind<Io>(
        &self,
        mut io: Io,
        peer: impl IntoAddress,
    ) -> Result<ProxyListener<Io>, ClientError>
    where
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let proxy = self.proxy.of(&io);
        let peer = peer.into_address().map_err(ClientError::InvalidTarget)?;
        let bound = self.request(&mut io, Command::BIND, &peer).await?;
        let bound = resolve_wildcard(bound, proxy);
        Ok(ProxyListener::new(
            Protocol::Socks4,
            io,
            bound,
            self.accept_limit,
        ))
    }

    /// Returns the limit of the time until the reply.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    /// Encodes a request, if it can be asked at all.
    pub(crate) fn encode(
        &self,
        command: Command,
        target: &Address,
    ) -> Result<Encoded<520>, ClientError> {
        if target.name().is_some() && !self.takes_names {
            return Err(ClientError::Unencodable(Unencodable::Name));
        }
        let request = Request {
            command,
            target: target.clone(),
            user_id: self.user_id.as_deref().unwrap_or_default().into(),
        };
        request.encode().map_err(ClientError::Unencodable)
    }

    async fn request<Io>(
        &self,
        io: &mut Io,
        command: Command,
        target: &Address,
    ) -> Result<Address, ClientError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let dialogue = messages::request(io, self.encode(command, target)?);
        let limit = self.limit;
        match timeout(limit, dialogue).await {
            Ok(outcome) => outcome,
            Err(source) => Err(ClientError::TimedOut {
                step: Step::Request,
                limit,
                source,
            }),
        }
    }
}

impl Default for Socks4Client {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Socks4Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // USERID may be what lets us in.
        f.debug_struct("Socks4Client")
            .field("takes_names", &self.takes_names)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
