use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    ClientAuth, ClientError, DefaultAuth, ProxyListener, ProxySocket,
    bnd::{peer_of, plain, reachable},
    handshake::{Pace, ask},
    udp::Local,
};
use crate::{
    error::Step,
    proto::{Address, Command, Credentials, Request},
    session::Connected,
};

/// Asks proxies for connections, listeners and associations. See the [module](super).
///
/// It is a few settings and no connection: it asks over any stream that it is handed, as often as
/// you like. Clones share the credentials.
#[derive(Clone)]
pub struct Client<L = DefaultAuth> {
    login: L,
    terms: Terms,
}

#[derive(Clone, Copy, Debug)]
struct Terms {
    pace: Pace,
    limit: Duration,
    accept_limit: Duration,
    proxy: Whereabouts,
}

/// Where the proxy is.
#[derive(Clone, Copy, Debug)]
enum Whereabouts {
    /// At the other end of the stream.
    Peer,
    /// There, with any port.
    Known(SocketAddr),
    /// Nobody knows.
    Unknown,
}

impl Client {
    /// A client that offers no authentication (X'00'), takes turns, and gives the proxy 30 s.
    #[must_use]
    pub const fn new() -> Self {
        Self::with(DefaultAuth::new())
    }

    /// Offers username/password (X'02', RFC 1929) beside no authentication; a proxy that takes both
    /// decides. [`Client::with(credentials)`](Self::with) offers nothing else.
    ///
    /// [`Credentials`] are of 255 octets each at most. Empty ones are sent as they are, and few
    /// proxies take them.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.login = self.login.credentials(credentials);
        self
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> Client<L> {
    /// A client that offers the methods of `login` and no other: [`Credentials`], a method of your
    /// own, or a pair of such.
    #[must_use]
    pub const fn with(login: L) -> Self {
        Self {
            login,
            terms: Terms {
                pace: Pace::Turns,
                limit: Duration::from_secs(30),
                accept_limit: Duration::from_secs(3 * 60),
                proxy: Whereabouts::Peer,
            },
        }
    }

    /// Sends greeting, credentials and request in one write, without waiting for the answers in
    /// between: one round trip instead of two or three.
    ///
    /// The greeting then offers only what the client goes ahead with: X'02' if there are
    /// credentials, otherwise X'00'. A proxy that selects something else leaves us with a
    /// [`ClientError::NotPipelined`], and one that reads no further than it expects to, or throws
    /// away what comes early, does not work with this at all. The password is on its way before the
    /// proxy has asked for it.
    ///
    /// A method of your own joins in by [`ClientAuth::pipelined`].
    #[must_use]
    pub const fn optimistic(mut self) -> Self {
        self.terms.pace = Pace::Optimistic;
        self
    }

    /// The time for all of it, from the first write to the end of the reply: 30 s by default. The
    /// proxy's own dial is in there.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.terms.limit = limit;
        self
    }

    /// The time that the peer of a BIND has to come, from [`ProxyListener::accept`] on: 3 min by
    /// default. Most proxies have a shorter limit of their own, and say so when it has passed.
    #[must_use]
    pub const fn accept_timeout(mut self, limit: Duration) -> Self {
        self.terms.accept_limit = limit;
        self
    }

    /// The proxy's address, for BIND and UDP ASSOCIATE: proxies may answer with zeros, which means
    /// the address at which they were reached.
    ///
    /// Over a [`TcpStream`](tokio::net::TcpStream), alone or in a [`Connected`], it need not be said:
    /// it is the address of the other end, unless the stream has come through a proxy itself.
    #[must_use]
    pub const fn proxy_address(mut self, address: IpAddr) -> Self {
        self.terms.proxy = Whereabouts::Known(SocketAddr::new(address, 0));
        self
    }

    /// The same for a way that leads to `proxy`, unless it has been said before. A way that leads
    /// through another proxy ends there, and one that is no TCP connection does not say.
    pub(crate) fn via<Io: 'static>(mut self, way: &Connected<Io>, proxy: &Address) -> Self {
        if matches!(self.terms.proxy, Whereabouts::Peer) && peer_of(way).is_none() {
            self.terms.proxy = proxy.ip().map_or(Whereabouts::Unknown, |proxy| {
                Whereabouts::Known(plain(proxy))
            });
        }
        self
    }

    /// Asks for a stream to `target` (RFC 1928 section 6, CONNECT).
    ///
    /// A name is sent as a name, for the proxy to resolve. What comes back holds `io` itself, as it
    /// is: nothing is read ahead, and bytes behind the reply are the first that it yields. Its
    /// [`bound`](Connected::bound) is what the proxy says, wildcards and names included.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says how far it came and whose fault it was. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn connect<Io>(
        &self,
        io: Io,
        target: impl Into<Address>,
    ) -> Result<Connected<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let (io, bound) = self.ask(io, Command::CONNECT, target.into()).await?;
        Ok(Connected::new(io, bound).through_proxy())
    }

    /// Asks the proxy to listen for `peer` (RFC 1928 section 6, BIND): a host that a connection by
    /// [`connect`](Self::connect) goes to, most often. Zeros mean anyone to proxies that allow it.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says how far it came and whose fault it was. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn bind<Io>(
        &self,
        io: Io,
        peer: impl Into<Address>,
    ) -> Result<ProxyListener<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let proxy = self.proxy(&io);
        let (io, bound) = self.ask(io, Command::BIND, peer.into()).await?;
        let bound = reachable(bound, proxy);
        Ok(ProxyListener::new(io, bound, self.terms.accept_limit))
    }

    /// Asks for a relay for datagrams (RFC 1928 sections 6 and 7, UDP ASSOCIATE), and opens a
    /// socket towards it. The proxy is told nothing of where the datagrams will come from, since a
    /// NAT on the way may make it something else.
    ///
    /// The association lasts as long as `io`, which stays with the socket.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says how far it came and whose fault it was; [`ClientError::NoRelay`] where
    /// the proxy replies with a name (nothing is resolved here), a multicast address, port 0, or a
    /// wildcard and its [address](Self::proxy_address) is not known. `io` is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes `io`.
    pub async fn associate<Io>(&self, io: Io) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.associate_with(io, Local::any()).await
    }

    /// The same with a socket bound to `local` (port 0 is any), which the proxy is told: some expect
    /// datagrams from there only. Not for use behind a NAT.
    ///
    /// # Errors
    ///
    /// Those of [`associate`](Self::associate), and [`ClientError::Socket`] where `local` is no
    /// address of this machine, is taken, or is not of the family of the proxy's.
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
        self.associate_with(io, Local::bind(local)?).await
    }

    async fn associate_with<Io>(
        &self,
        io: Io,
        local: Local,
    ) -> Result<ProxySocket<L::Stream>, ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let proxy = self.proxy(&io);
        let target = Address::Ip(local.told());
        let (io, bound) = self.ask(io, Command::UDP_ASSOCIATE, target).await?;
        ProxySocket::open(io, local, reachable(bound, proxy))
    }

    /// The time that the proxy has.
    pub(crate) const fn limit(&self) -> Duration {
        self.terms.limit
    }

    /// The proxy's address, with any port.
    fn proxy<Io: 'static>(&self, io: &Io) -> Option<SocketAddr> {
        match self.terms.proxy {
            Whereabouts::Known(address) => Some(address),
            Whereabouts::Peer => peer_of(io),
            Whereabouts::Unknown => None,
        }
    }

    /// Everything up to the reply, within its time.
    async fn ask<Io>(
        &self,
        io: Io,
        command: Command,
        target: Address,
    ) -> Result<(L::Stream, Address), ClientError>
    where
        L: ClientAuth<Io>,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let Terms { pace, limit, .. } = self.terms;
        let request = Request { command, target };
        let mut step = Step::Greeting;
        match timeout(limit, ask(&self.login, pace, io, &request, &mut step)).await {
            Ok(outcome) => outcome,
            Err(source) => Err(ClientError::TimedOut {
                step,
                limit,
                source,
            }),
        }
    }
}

impl<L> fmt::Debug for Client<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A method may hold secrets.
        f.debug_struct("Client")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
