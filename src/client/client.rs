use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{error::Elapsed, timeout},
};

use super::{
    ClientAuth, ClientError, DefaultAuth, ProxyListener,
    bnd::{ProxyAddress, Relays, resolve_wildcard},
    handshake::{self, Pipelining, Replied},
};
use crate::{
    error::Step,
    proto::{Address, Command, Credentials, DomainName, IntoAddress, ParseAddressError, Request},
    session::{Connected, Protocol},
};

/// Sends requests to a SOCKS5 proxy. See the [module](super).
///
/// It holds settings and no connection: each request goes over a stream that you open. Clones share
/// the credentials.
#[derive(Clone)]
pub struct Client<L = DefaultAuth> {
    auth: L,
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    pipelining: Pipelining,
    limit: Duration,
    accept_limit: Duration,
    proxy: ProxyAddress,
    relays: Relays,
}

impl Client {
    /// Creates a client that offers no authentication (X'00'), sends one message at a time, and waits
    /// 30 s for the proxy.
    #[must_use]
    pub const fn new() -> Self {
        Self::with(DefaultAuth::new())
    }

    /// Offers username/password (X'02', RFC 1929) beside no authentication; a proxy that supports both
    /// selects one. [`Client::with(credentials)`](Self::with) offers nothing else.
    ///
    /// These are [`proto::Credentials`](crate::proto::Credentials), the message of RFC 1929: a name
    /// and a password of 255 octets each at most. Empty ones are sent as they are, and few proxies
    /// accept them. Verifiers take [`tower_socks::Credentials`](crate::Credentials), which know the
    /// client.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.auth = self.auth.credentials(credentials);
        self
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> Client<L> {
    /// Creates a client that offers the methods of `auth` and no other: [`Credentials`], a method of
    /// your own, or a pair of such.
    #[must_use]
    pub const fn with(auth: L) -> Self {
        Self {
            auth,
            settings: Settings {
                pipelining: Pipelining::Sequential,
                limit: Duration::from_secs(30),
                accept_limit: Duration::from_secs(3 * 60),
                proxy: ProxyAddress::Peer,
                relays: Relays::OfProxy,
            },
        }
    }

    /// Sends greeting, credentials and request in one write, without waiting for the answers in
    /// between: one round trip instead of two or three.
    ///
    /// The greeting then offers only the method whose messages are sent early: X'02' if there are
    /// credentials, otherwise X'00'. A proxy that selects something else is the error
    /// [`ClientError::NotPipelined`], and one that discards what comes early does not work with this
    /// at all. The password is sent before the proxy has asked for it.
    ///
    /// A method of your own takes part by [`ClientAuth::early`].
    #[must_use]
    pub const fn optimistic(mut self) -> Self {
        self.settings.pipelining = Pipelining::Optimistic;
        self
    }

    /// Bounds the time from the first write to the end of the reply: 30 s by default. That includes
    /// the proxy's own dial.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.settings.limit = limit;
        self
    }

    /// Bounds the time until the peer of a BIND connects, from [`ProxyListener::accept`] on: 3 min by
    /// default. Most proxies have a shorter limit of their own, and reply with a failure then.
    #[must_use]
    pub const fn accept_timeout(mut self, limit: Duration) -> Self {
        self.settings.accept_limit = limit;
        self
    }

    /// Sets the proxy's address, for BIND and UDP ASSOCIATE: a BND of zeros means the address at which
    /// the proxy was reached.
    ///
    /// Over a [`TcpStream`](tokio::net::TcpStream), alone or in a [`Connected`], it need not be set:
    /// it is the address of the other end, unless the stream goes through a proxy itself.
    #[must_use]
    pub const fn proxy_address(mut self, address: IpAddr) -> Self {
        self.settings.proxy = ProxyAddress::Known(SocketAddr::new(address.to_canonical(), 0));
        self
    }

    /// Sends datagrams to whatever address the proxy replies with (BND). Otherwise its relay has to be
    /// at its [own address](Self::proxy_address), or a proxy could have us send to services of our
    /// machine and network. Where that is not known, any address of the internet will do.
    ///
    /// A private address in the reply of a proxy that is reached at a public one is that of a proxy
    /// behind a NAT, and is replaced by the public one.
    #[must_use]
    pub const fn any_relay(mut self) -> Self {
        self.settings.relays = Relays::Any;
        self
    }

    /// Sets the proxy's address for a transport to `proxy`, unless it is set.
    pub(crate) fn via<Io: 'static>(mut self, transport: &Connected<Io>, proxy: &Address) -> Self {
        self.settings.proxy = self.settings.proxy.via(transport, proxy);
        self
    }

    /// Authenticates and requests nothing, to see whether the proxy works: what a probe does. Returns the stream, which
    /// the caller closes.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says at which step it failed and whose fault it was. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tower_socks::{Client, ClientError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// let (near, mut far) = tokio::io::duplex(64);
    /// far.write_all(b"\x05\xff").await?;
    /// let error = Client::new().authenticate(near).await.unwrap_err();
    /// assert!(matches!(error, ClientError::NoAcceptableMethod { .. }));
    /// let mut said = Vec::new();
    /// far.read_to_end(&mut said).await?;
    /// assert_eq!(said, b"\x05\x01\x00");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn authenticate<Io>(&self, io: Io) -> Result<L::Stream, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let mut step = Step::Greeting;
        let dialogue = handshake::authenticate(&self.auth, Command::CONNECT, io, &mut step);
        match timeout(self.settings.limit, dialogue).await {
            Ok(authenticated) => authenticated.map(|(io, _)| io),
            Err(source) => Err(self.timed_out(step, source)),
        }
    }

    /// Requests a stream to `target` (RFC 1928 section 4, CONNECT).
    ///
    /// A name is sent as a name, for the proxy to resolve. The stream that is returned is `io` itself:
    /// nothing is read ahead, and bytes behind the reply are the first that it yields. Its
    /// [`bound`](Connected::bound) is the proxy's BND, wildcards and names included.
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
        io: Io,
        target: impl IntoAddress,
    ) -> Result<Connected<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let target = target.into_address().map_err(ClientError::InvalidTarget)?;
        let replied = self.request(io, Command::CONNECT, target).await?;
        Ok(Connected::new(replied.io, replied.bound).through_proxy())
    }

    /// Requests a listener for `peer` (RFC 1928 section 4, BIND): most often the host of a connection
    /// by [`connect`](Self::connect). Zeros mean any peer to proxies that allow it.
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
        io: Io,
        peer: impl IntoAddress,
    ) -> Result<ProxyListener<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let proxy = self.settings.proxy.of(&io);
        let peer = peer.into_address().map_err(ClientError::InvalidTarget)?;
        let Replied { io, bound, .. } = self.request(io, Command::BIND, peer).await?;
        let bound = resolve_wildcard(bound, proxy);
        Ok(ProxyListener::new(
            Protocol::Socks5,
            io,
            bound,
            self.settings.accept_limit,
        ))
    }

    /// Requests the address of a name (RESOLVE, X'F0'): of Tor, or another proxy that knows this extension of Tor's.
    /// The proxy resolves the name, and nothing is looked up here. An address in place of a name is sent too.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says at which step it failed and whose fault it was: `Refused` with 04 where the name has no
    /// address, with 07 where the proxy does not know the command, and [`ClientError::NotResolved`] where its
    /// reply has no address in it, or zeros. `io` is closed in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn resolve<Io>(&self, io: Io, name: &str) -> Result<IpAddr, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let target = Address::new(name, 0).map_err(ParseAddressError::Host);
        let target = target.map_err(ClientError::InvalidTarget)?;
        self.resolve_address(io, target).await
    }

    /// Requests the address of a name, or of what is one.
    pub(crate) async fn resolve_address<Io>(
        &self,
        io: Io,
        target: Address,
    ) -> Result<IpAddr, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        match self.request(io, Command::RESOLVE, target).await?.bound {
            Address::Ip(address) if !address.ip().to_canonical().is_unspecified() => {
                Ok(address.ip().to_canonical())
            }
            other => Err(ClientError::NotResolved(other)),
        }
    }

    /// Requests the name of an address (RESOLVE_PTR, X'F1'), of a proxy that knows this extension of Tor's.
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](Self::resolve), where the reply has no name of a host in it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn resolve_ptr<Io>(&self, io: Io, address: IpAddr) -> Result<DomainName, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let target = Address::Ip(SocketAddr::new(address.to_canonical(), 0));
        match self.request(io, Command::RESOLVE_PTR, target).await?.bound {
            Address::Name(name, _) => Ok(name),
            other @ Address::Ip(_) => Err(ClientError::NotResolved(other)),
        }
    }

    /// Returns the proxy's address, as far as it is known, and where its relays may be.
    pub(super) fn relays<Io: 'static>(&self, io: &Io) -> (Option<SocketAddr>, Relays) {
        (self.settings.proxy.of(io), self.settings.relays)
    }

    /// Returns the limit of the time until the reply.
    pub(crate) const fn limit(&self) -> Duration {
        self.settings.limit
    }

    /// Exchanges all messages up to the reply, within the time limit.
    pub(super) async fn request<Io>(
        &self,
        io: Io,
        command: Command,
        target: Address,
    ) -> Result<Replied<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let Settings {
            pipelining, limit, ..
        } = self.settings;
        let request = Request { command, target };
        let mut step = Step::Greeting;
        let dialogue = handshake::request(&self.auth, pipelining, io, &request, &mut step);
        let outcome = timeout(limit, dialogue).await;
        outcome.unwrap_or_else(|source| Err(self.timed_out(step, source)))
    }

    fn timed_out(&self, step: Step, source: Elapsed) -> ClientError {
        let limit = self.settings.limit;
        ClientError::TimedOut {
            step,
            limit,
            source,
        }
    }
}

impl<L> fmt::Debug for Client<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A method may hold secrets.
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
