use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tower_service::Service;

use super::{ResponseFuture, connect, happy_eyeballs};
use crate::{
    connector::{
        Announcement, Outgoing,
        outgoing::ChosenOutgoing,
        resolve::{Lookup, Resolve, SystemResolver, addresses_of},
        unsupported::connect_only,
    },
    error::{BoxError, Refusal},
    io::Keepalive,
    proto::{Address, ReplyCode, canonical},
    relay::Relay,
    session::{Connected, Request, Target},
};

/// Addresses of one name that are tried: a name can have thousands, and every attempt is a packet to
/// somebody.
const CANDIDATES: usize = 32;

/// Connects straight to the target. See the [module](super).
///
/// Clones share what clones of the resolver share.
#[derive(Clone, Debug)]
pub struct Direct<R = SystemResolver> {
    resolver: R,
    options: Options,
    outgoing: ChosenOutgoing,
    announcement: Option<Arc<Announcement>>,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    limit: Duration,
    keepalive: Keepalive,
    relay: Relay,
}

impl Direct {
    /// Resolves by the system and connects from any local address, with 20 s for a dial.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resolver: SystemResolver::new(),
            options: Options {
                limit: Duration::from_secs(20),
                keepalive: Keepalive::new(),
                relay: Relay::new(),
            },
            outgoing: ChosenOutgoing::new(),
            announcement: None,
        }
    }
}

impl Default for Direct {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Direct<R> {
    /// Replaces the resolver.
    #[must_use]
    pub fn resolver<T: Resolve>(self, resolver: T) -> Direct<T> {
        Direct {
            resolver,
            options: self.options,
            outgoing: self.outgoing,
            announcement: self.announcement,
        }
    }

    /// Limits a whole dial: the lookup, and all attempts together. Reply 06 when it has passed.
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.limit = limit;
        self
    }

    /// Dials from this address of the machine, at any port. Call it once for each family; a family
    /// without an address is not used while the other one has one (reply 08 where nothing is left).
    ///
    /// On Linux a port can serve many connections at once, each to another target; elsewhere the ports of
    /// the address are the most connections that there can be.
    #[must_use]
    pub fn local_address(mut self, address: IpAddr) -> Self {
        let outgoing = match self.outgoing {
            ChosenOutgoing::Same(outgoing) => outgoing,
            ChosenOutgoing::By(_) => Outgoing::new(),
        };
        self.outgoing = ChosenOutgoing::Same(outgoing.address(address));
        self
    }

    /// Sets from where connections leave: addresses, an interface, families. It takes the place of every
    /// [`local_address`](Self::local_address) that was set before.
    #[must_use]
    pub fn outgoing(mut self, outgoing: Outgoing) -> Self {
        self.outgoing = ChosenOutgoing::Same(outgoing);
        self
    }

    /// Asks this function for each target from where its connection leaves. It has the request that the target is or
    /// was made of, if it [has one](Target::request).
    #[must_use]
    pub fn outgoing_by<F>(mut self, outgoing: F) -> Self
    where
        F: Fn(Option<&Request>) -> Outgoing + Send + Sync + 'static,
    {
        self.outgoing = ChosenOutgoing::by(outgoing);
        self
    }

    /// Sets how soon a target that has vanished is noticed.
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

    /// Announces clients to the targets that are listed, by a PROXY header before the first octet of theirs. It is
    /// part of the dial, and within its limit.
    #[must_use]
    pub fn announce(mut self, announcement: Announcement) -> Self {
        self.announcement = Some(Arc::new(announcement));
        self
    }
}

impl<R, T> Service<T> for Direct<R>
where
    R: Resolve,
    T: Target,
{
    type Response = Connected<TcpStream>;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The resolver is asked once there is a name to resolve, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> ResponseFuture {
        let announcement = self.announcement.clone();
        if let Err(refusal) = connect_only(&target) {
            return ResponseFuture::new(async { Err(refusal.into()) });
        }
        let dial = Dial {
            options: self.options,
            outgoing: self.outgoing.of(target.request()),
        };
        let limit = self.options.limit;
        match target.address() {
            Ok(Address::Ip(address)) => ResponseFuture::new(async move {
                // What is asked about is what a dial would reach. The link of a link-local address
                // is for the dial alone: rules are about the address.
                let candidates = dial.approved([canonical(address)], &target)?;
                let candidates = candidates
                    .into_iter()
                    .map(|approved| on_link(approved, address));
                let candidates = candidates.collect();
                let dialled = dial.run(candidates, target, announcement.as_deref());
                timeout(limit, dialled).await?
            }),
            Ok(Address::Name(name, port)) => {
                let resolver = self.resolver.clone();
                ResponseFuture::new(async move {
                    let dialled = async move {
                        let lookup = Lookup::of(name, target.request());
                        let mut addresses = addresses_of(resolver, lookup).await?;
                        dial.outgoing.order().sort(&mut addresses);
                        let addresses = addresses.into_iter();
                        let addresses = addresses.map(|ip| canonical(SocketAddr::new(ip, port)));
                        let candidates = dial.approved(addresses, &target)?;
                        let announcement = announcement.as_deref();
                        dial.run(candidates, target, announcement).await
                    };
                    timeout(limit, dialled).await?
                })
            }
            Err(error) => ResponseFuture::new(async { Err(error) }),
        }
    }
}

/// Returns an approved link-local address with the scope that it was stated with. A request by the wire
/// states none, so what has one is this machine's own: the address of an upstream, or of an application.
fn on_link(approved: SocketAddr, stated: SocketAddr) -> SocketAddr {
    match (approved, stated) {
        (SocketAddr::V6(mut address), SocketAddr::V6(stated))
            if address.ip().is_unicast_link_local() =>
        {
            address.set_scope_id(stated.scope_id());
            address.into()
        }
        _ => approved,
    }
}

/// One dial.
struct Dial {
    options: Options,
    outgoing: Outgoing,
}

impl Dial {
    /// The addresses that every policy allows, in order.
    fn approved<T: Target>(
        &self,
        addresses: impl IntoIterator<Item = SocketAddr>,
        target: &T,
    ) -> Result<Vec<SocketAddr>, Refusal> {
        let mut approved = Vec::new();
        let mut refusal = None;
        for address in addresses {
            if approved.len() == CANDIDATES {
                break;
            }
            if !self.outgoing.reaches(address.ip()) {
                refusal.get_or_insert_with(|| {
                    Refusal::new(
                        ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED,
                        format!("no local address to reach {address} from"),
                    )
                });
                continue;
            }
            match target.approve(address) {
                Ok(()) => approved.push(address),
                Err(refused) => refusal = Some(refused),
            }
        }
        match refusal {
            Some(refusal) if approved.is_empty() => Err(refusal),
            _ => Ok(approved),
        }
    }

    /// Connects to one of the candidates, and announces the client to it if it is listed.
    async fn run<T: Target>(
        &self,
        candidates: Vec<SocketAddr>,
        target: T,
        announcement: Option<&Announcement>,
    ) -> Result<Connected<TcpStream>, BoxError> {
        let (address, mut stream) = self.connect(candidates).await?;
        let address = canonical(address);
        target.reached(address);
        if let Some(announcement) = announcement
            && let Some(header) = announcement.to_target(&target, address)?
        {
            stream.get_mut().write_all(&header).await?;
        }
        Ok(stream)
    }

    /// Connects to one of the candidates.
    async fn connect(
        &self,
        candidates: Vec<SocketAddr>,
    ) -> Result<(SocketAddr, Connected<TcpStream>), BoxError> {
        let Self { options, outgoing } = self;
        let connection = happy_eyeballs::dial(candidates, |address| {
            connect::connect(outgoing, options.keepalive, address)
        });
        let (address, stream) = connection.await?;
        let bound = Address::Ip(stream.local_addr()?);
        Ok((
            address,
            Connected::new(stream, bound).with_relay(options.relay),
        ))
    }
}
