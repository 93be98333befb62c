use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
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
        advertise::{Endpoint, Opened},
        port_range::PortRange,
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
                endpoint: Endpoint::new(),
                listen: ListenAddresses::default(),
                limit: Duration::from_secs(2 * 60),
                keepalive: Keepalive::new(),
                relay: Relay::new(),
            },
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
        }
    }

    /// Tells clients this address instead of the one that is listened on: the public one of a NAT
    /// or of a container's host, which has to forward the [ports](Self::ports).
    #[must_use]
    pub const fn public_address(mut self, address: IpAddr) -> Self {
        self.options.endpoint.public = Some(address);
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
    #[must_use]
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.options.endpoint.ports = PortRange::new(ports);
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
            let local =
                options
                    .listen
                    .reachable(unmapped(request.local), &request.target, &expected)?;
            let Opened {
                socket: listener,
                address,
                port,
            } = options.endpoint.open(
                local,
                |address| listen_on(address, options.keepalive),
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

fn listen_on(address: SocketAddr, keepalive: Keepalive) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // The connection that is accepted inherits them. Urgent data is relayed in its place.
    socket.set_nodelay(true)?;
    let options = socket2::SockRef::from(&socket);
    options.set_out_of_band_inline(true)?;
    keepalive.set(&options)?;
    // A port is free once its listener is gone, not only when the last connection is forgotten.
    // Elsewhere than on Unix the option means another thing.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
