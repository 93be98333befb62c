use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    time::timeout,
};
use tower_service::Service;

use super::{
    future::ResponseFuture,
    reachable::ListenAddresses,
    tunnel::BindTunnel,
    tunnel::{Expected, Parts},
};
use crate::{
    connector::{
        Outgoing, PortRange,
        advertise::{Endpoint, Opened},
        outgoing::ChosenOutgoing,
        resolve::{Lookup, Resolve, SystemResolver, addresses_of},
    },
    error::BoxError,
    io::Keepalive,
    proto::{Address, unmapped},
    relay::Relay,
    session::{Request, UserLimit},
};

/// Peers that may be in the queue of the listener, those that will be rejected among them.
const BACKLOG: u32 = 16;

/// How long the lookup of the expected peer's name may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(20);

/// Executes BIND. See the [module](super).
#[derive(Clone, Debug)]
pub struct Bind<R = SystemResolver> {
    resolver: R,
    limit: UserLimit,
    options: Options,
    outgoing: ChosenOutgoing,
}

#[derive(Clone, Debug)]
struct Options {
    endpoint: Endpoint,
    listen: ListenAddresses,
    limit: Duration,
    keepalive: Keepalive,
    relay: Relay,
}

impl Bind {
    /// Listens on the address from which we would go to the peer, at any port, with 2 min for the peer and 64
    /// BINDs for each user, or client without a name.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resolver: SystemResolver::new(),
            limit: UserLimit::binds(64),
            options: Options {
                endpoint: Endpoint::new("BIND"),
                listen: ListenAddresses::default(),
                limit: Duration::from_secs(2 * 60),
                keepalive: Keepalive::new(),
                relay: Relay::new(),
            },
            outgoing: ChosenOutgoing::new(),
        }
    }
}

impl Default for Bind {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Bind<R> {
    /// Replaces the resolver, which is asked where DST.ADDR is a name.
    #[must_use]
    pub fn resolver<T: Resolve>(self, resolver: T) -> Bind<T> {
        Bind {
            resolver,
            limit: self.limit,
            options: self.options,
            outgoing: self.outgoing,
        }
    }

    /// Tells clients this address instead of the one that is listened on: the public one of a NAT
    /// or of a container's host, which has to forward the [ports](Self::ports). Call it once for each family: clients
    /// are told that of the family that is listened on, or the other one where the address that is listened on is
    /// private.
    ///
    /// Without one, the log has a warning, one an hour at most, where the peer, or the client where nobody knows the peer,
    /// most likely cannot reach the address that is told.
    #[must_use]
    pub const fn public_address(mut self, address: IpAddr) -> Self {
        self.options.endpoint.add_public(address);
        self
    }

    /// Listens on this address of the machine where DST.ADDR is zeros, which leaves open where the peer
    /// will come from; otherwise on the one on which the client reached us. Call it once for each
    /// family: an address of the family of the zeros goes first.
    ///
    /// Where DST says who will come, the route to it says which address that is.
    #[must_use]
    pub const fn listen_address(mut self, address: IpAddr) -> Self {
        self.options.listen.add(address);
        self
    }

    /// Takes the port of each listener from this range; a free one by default. With all of them
    /// taken, on whatever address, requests are refused with 01. Of those that other programs have, 64
    /// are tried.
    ///
    /// Clones of a [`PortRange`] know of each other's ports.
    #[must_use]
    pub fn ports(mut self, ports: impl Into<PortRange>) -> Self {
        self.options.endpoint.ports = ports.into();
        self
    }

    /// Sets from where connections would leave: it is there that a peer of DST is waited for, as that which is known of
    /// it is where it would be connected to. Of families that are not used no peer is expected (reply 08 where nothing is
    /// left). Where DST is zeros, [`listen_address`](Self::listen_address) says where.
    #[must_use]
    pub fn outgoing(mut self, outgoing: Outgoing) -> Self {
        self.outgoing = ChosenOutgoing::Same(outgoing);
        self
    }

    /// Asks this function for each request from where connections would leave. It always has the request.
    #[must_use]
    pub fn outgoing_by<F>(mut self, outgoing: F) -> Self
    where
        F: Fn(Option<&Request>) -> Outgoing + Send + Sync + 'static,
    {
        self.outgoing = ChosenOutgoing::by(outgoing);
        self
    }

    /// Limits the BINDs that each user may have at once, and each client without a name: 64 by default.
    /// One counts from its request to the end of its tunnel. Further requests are refused with 02.
    #[must_use]
    pub fn per_client(mut self, limit: usize) -> Self {
        self.limit = self.limit.with_most(limit);
        self
    }

    /// Takes the places of a limit that others count in as well, in place of its own: another one that goes on after this
    /// one, or one whose numbers change.
    #[must_use]
    pub fn limit(mut self, limit: UserLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Limits the wait for the peer. The second reply is 06 when it has passed.
    #[must_use]
    pub const fn accept_timeout(mut self, limit: Duration) -> Self {
        self.options.limit = limit;
        self
    }

    /// Sets how soon a peer that has vanished is noticed.
    #[must_use]
    pub const fn keepalive(mut self, keepalive: Keepalive) -> Self {
        self.options.keepalive = keepalive;
        self
    }

    /// Sets the limits of the tunnels.
    #[must_use]
    pub const fn relay(mut self, relay: Relay) -> Self {
        self.options.relay = relay;
        self
    }
}

impl<R: Resolve> Service<Request> for Bind<R> {
    type Response = BindTunnel;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The resolver is asked once there is a name to resolve, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        let Self {
            resolver,
            limit,
            options,
            outgoing,
        } = self.clone();
        ResponseFuture::new(async move {
            let place = limit.take(&request)?;
            let expected = match &request.target {
                Address::Ip(address) if address.ip().is_unspecified() => Expected::Anyone,
                Address::Ip(address) => Expected::One(vec![address.ip().to_canonical()]),
                Address::Name(name, _) => {
                    let lookup = Lookup::of(name.clone(), Some(&request));
                    let addresses = timeout(LOOKUP_LIMIT, addresses_of(resolver, lookup)).await??;
                    let canonical = addresses.iter().map(IpAddr::to_canonical);
                    Expected::One(canonical.collect())
                }
            };
            let outgoing = outgoing.of(Some(&request));
            let expected = expected.within(&outgoing)?;
            let client = unmapped(request.local);
            let listen = &options.listen;
            let local = listen.reachable(client, &request.target, &expected, &outgoing)?;
            // Who is not known comes by the same interface as the client.
            let (peer, outgoing) = match &expected {
                Expected::One(peers) => (peers.first().copied(), outgoing),
                Expected::Anyone => (None, Outgoing::new()),
            };
            let peer = peer.unwrap_or(unmapped(request.peer).ip());
            let Opened {
                socket: listener,
                address,
                port,
            } = options.endpoint.open(
                local,
                peer,
                |address| listen_on(address, options.keepalive, &outgoing),
                TcpListener::local_addr,
            )?;
            Ok(BindTunnel::new(Parts {
                listener,
                port,
                bound: Address::Ip(address),
                expected,
                request,
                limit: options.limit,
                relay: options.relay,
                place: Some(place),
            }))
        })
    }
}

fn listen_on(
    address: SocketAddr,
    keepalive: Keepalive,
    outgoing: &Outgoing,
) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // The connection that is accepted inherits them. Urgent data is relayed in its place.
    socket.set_nodelay(true)?;
    let options = socket2::SockRef::from(&socket);
    options.set_out_of_band_inline(true)?;
    keepalive.set(&options)?;
    outgoing.bind_interface(options)?;
    // A port is free once its listener is gone, not only when the last connection is forgotten.
    // Elsewhere than on Unix the option means another thing.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
