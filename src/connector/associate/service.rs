use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use tower::ServiceExt;
use tower_service::Service;

use super::{
    MakeDirect,
    client::{ClientPort, ClientPorts, Fragmentation},
    filtering::OneDestination,
    future::ResponseFuture,
    tunnel::{AssociateTunnel, Client, Parts},
};
use crate::{
    connector::{
        PortRange,
        advertise::{Endpoint, Opened},
    },
    datagram::{BatchSocket, DatagramTransport, OwnRelay},
    error::BoxError,
    proto::{Address, UdpOverTcp, unmapped},
    session::{Request, UserLimit, record::Destinations},
};

/// Executes UDP ASSOCIATE. See the [module](super).
///
/// `S` makes the transport by which the datagrams of an association are sent and received:
/// [`MakeDirect`], or any `Service<Request>` whose response is a [`DatagramTransport`]. Clones share the
/// count of associations.
#[derive(Clone, Debug)]
pub struct Associate<S = MakeDirect> {
    make_transport: S,
    limit: UserLimit,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    endpoint: Endpoint,
    idle: Duration,
    fragmentation: Fragmentation,
    ports: ClientPorts,
    backlog: usize,
}

impl Associate {
    /// Relays from this machine, with any port, 5 min of idleness and 64 associations for each user, or
    /// client without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::with_transports(MakeDirect::new())
    }
}

impl Default for Associate {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Associate<S> {
    /// Relays by the transports that `make_transport` makes, with the other defaults of
    /// [`new`](Self::new).
    pub fn with_transports(make_transport: S) -> Self {
        Self {
            make_transport,
            limit: UserLimit::associations(64),
            options: Options {
                endpoint: Endpoint::new("UDP ASSOCIATE"),
                idle: Duration::from_secs(5 * 60),
                fragmentation: Fragmentation::Reassembled,
                ports: ClientPorts::One {
                    silence: Duration::from_secs(30),
                },
                backlog: 256 * 1024,
            },
        }
    }

    /// Tells clients to send to this address instead of the one on which they reached us: the
    /// public one of a NAT or of a container's host, which has to forward the
    /// [ports](Self::ports). Call it once for each family: clients are told that of the family in which they
    /// reached us, or the other one where the address that they reached is private.
    ///
    /// Without one, the log has a warning, one an hour at most, where a client most likely cannot reach the address
    /// that it is told.
    #[must_use]
    pub const fn public_address(mut self, address: IpAddr) -> Self {
        self.options.endpoint.add_public(address);
        self
    }

    /// Takes the port of each association from this range; a free one by default. With all of them
    /// taken, on whatever address, requests are refused with 01. Of those that other programs have, 64
    /// are tried.
    ///
    /// Clones of a [`PortRange`] know of each other's ports.
    #[must_use]
    pub fn ports(mut self, ports: impl Into<PortRange>) -> Self {
        self.options.endpoint.ports = ports.into();
        self
    }

    /// Limits the associations that each user may have at once, and each client without a name: 64 by
    /// default. Further requests are refused with 02.
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

    /// Ends an association whose client has sent no valid datagram for so long. What comes back to it is
    /// no sign of its life.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.options.idle = limit;
        self
    }

    /// Drops fragments (RFC 1928 section 7, FRAG) instead of putting them together.
    #[must_use]
    pub const fn drop_fragments(mut self) -> Self {
        self.options.fragmentation = Fragmentation::Dropped;
        self
    }

    /// Limits the octets that wait for a client whose datagrams travel in its stream
    /// ([UDP over TCP](crate::layer::udp_over_tcp)) and that does not read them: 256 KiB by default. Datagrams beyond
    /// that are dropped as [`DropReason::Overflow`](crate::io::DropReason::Overflow). A frame that was begun is kept
    /// whatever its size.
    #[must_use]
    pub const fn backlog(mut self, octets: usize) -> Self {
        self.options.backlog = octets;
        self
    }

    /// Sets how long the client's port may be silent before the next valid datagram of another port
    /// of the client's address takes its place, as when a NAT forgets the first: 30 s by default.
    ///
    /// A port that the client has stated in its request, with its address or zeros, is the only one
    /// for as long as the association lasts, and so is the first one where this is
    /// [`Duration::MAX`].
    #[must_use]
    pub const fn rebind_after(mut self, silence: Duration) -> Self {
        self.options.ports = ClientPorts::One { silence };
        self
    }

    /// Takes datagrams from every port of the client's address, whatever the client has stated, and
    /// answers to the latest. Otherwise one port at a time is taken.
    #[must_use]
    pub const fn any_client_port(mut self) -> Self {
        self.options.ports = ClientPorts::Any;
        self
    }
}

impl<S> Service<Request> for Associate<S>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: DatagramTransport,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = AssociateTunnel<S::Response>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Response>;

    // The service for transports is asked with the request, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Self {
            make_transport,
            limit,
            options,
        } = self.clone();
        ResponseFuture::new(async move {
            // A client without an address, on a Unix socket, is on this machine.
            let specified = |address: SocketAddr| match unmapped(address) {
                address if address.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, 0).into(),
                address => address,
            };
            let (client, local) = (specified(request.peer), specified(request.local));
            let place = limit.take(&request)?;
            let (bound, client) = match request.extensions.get::<UdpOverTcp>().copied() {
                Some(protocol) => {
                    let one_destination = OneDestination::default();
                    request.extensions.insert(one_destination.clone());
                    let client = Client::Stream {
                        protocol,
                        backlog: options.backlog,
                        one_destination,
                    };
                    (Address::UNSPECIFIED, client)
                }
                None => {
                    let Opened {
                        socket,
                        address,
                        port: taken,
                    } = options.endpoint.open(
                        local,
                        client.ip(),
                        BatchSocket::bind,
                        BatchSocket::local_addr,
                    )?;
                    let client = Client::Socket {
                        own: OwnRelay::new(socket.local_addr()?, address),
                        socket,
                        port: ClientPort::new(client, &request.target, options.ports),
                        fragmentation: options.fragmentation,
                        taken,
                    };
                    (Address::Ip(address), client)
                }
            };
            let destinations = request.extensions.get::<Destinations>().cloned();
            let transport = make_transport.oneshot(request).await.map_err(Into::into)?;
            Ok(AssociateTunnel::new(Parts {
                client,
                transport,
                bound,
                destinations,
                idle: options.idle,
                place,
            }))
        })
    }
}
