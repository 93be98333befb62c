use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{RemoteDns, Socks5Upstream, Transport};
use crate::{
    client::{ClientAuth, ClientError, DefaultAuth},
    connector::{
        direct::Direct,
        resolve::{Answer, Ask, Asked, Lookup, Question, ReverseLookup, SharedLookups, Source},
    },
    error::{BoxError, LookupErrorKind},
    proto::{Address, Command, DomainName, ReplyCode},
};

/// Lookups at once, unless told otherwise: each is a connection to the proxy.
const CONCURRENCY: usize = 128;

/// A resolver that asks a SOCKS5 proxy, which has to know RESOLVE and RESOLVE_PTR as Tor does: no name server hears
/// of a name. Returned by [`Socks5Upstream::into_resolver`].
///
/// It has its place wherever a resolver or a reverse resolver has: in
/// [`Direct`](crate::connector::direct::Direct::resolver), in another upstream's
/// [`local_dns`](Socks5Upstream::local_dns), in a [`NameService`](crate::connector::name_service::NameService).
/// Policies are asked about what the proxy says, and not about the name, as with every resolver.
///
/// Each lookup is a connection to the proxy, with one address or name in the reply; nothing that is found is kept.
/// The number at once is bounded, 128 unless [told otherwise](Self::with_concurrency), and
/// [clients have shares](crate::connector::resolve#shares). A lookup ends once nobody waits for it. Names below
/// `onion` are refused, and no hosts file is read. Clones share the bounds.
///
/// Errors are [`LookupError`](crate::error::LookupError): 04 of the proxy is a name that has no address, and
/// otherwise the [`ClientError`] is the source.
///
/// ```
/// use tower_socks::{Connector, connector::{direct::Direct, upstream::Socks5Upstream}};
///
/// // Connects from here, and asks Tor where to.
/// let by_tor = Socks5Upstream::new("127.0.0.1:9050").into_resolver();
/// let connector = Connector::direct().with_connect(Direct::new().resolver(by_tor));
/// # _ = connector;
/// ```
#[derive(Clone)]
pub struct UpstreamResolver<C = Direct, L = DefaultAuth> {
    lookups: Arc<Lookups<C, L>>,
}

struct Lookups<C, L> {
    upstream: Asking<C, L>,
    addresses: SharedLookups<Asking<C, L>, DomainName>,
    names: SharedLookups<Asking<C, L>, IpAddr>,
}

/// Asks the proxy.
struct Asking<C, L>(Arc<Socks5Upstream<C, L, RemoteDns>>);

impl<C, L> UpstreamResolver<C, L>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
{
    pub(super) fn new(upstream: Socks5Upstream<C, L, RemoteDns>) -> Self {
        Self::by(Asking(Arc::new(upstream)), CONCURRENCY)
    }

    /// Bounds the lookups at once, of all clients together: at least one.
    #[must_use]
    pub fn with_concurrency(self, lookups: usize) -> Self {
        Self::by(self.lookups.upstream.clone(), lookups)
    }

    fn by(upstream: Asking<C, L>, lookups: usize) -> Self {
        let addresses = SharedLookups::new(upstream.clone(), lookups);
        Self {
            lookups: Arc::new(Lookups {
                names: SharedLookups::beside(upstream.clone(), &addresses),
                addresses,
                upstream,
            }),
        }
    }
}

impl<C, L, T> Service<T> for UpstreamResolver<C, L>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
    T: Into<Lookup>,
{
    type Response = Vec<IpAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, BoxError>> + Send>>;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: T) -> Self::Future {
        let Lookup { name, client } = lookup.into();
        Box::pin(self.lookups.addresses.clone().resolve(name, client))
    }
}

impl<C, L> Service<ReverseLookup> for UpstreamResolver<C, L>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
{
    type Response = Vec<DomainName>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<DomainName>, BoxError>> + Send>>;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: ReverseLookup) -> Self::Future {
        let ReverseLookup { address, client } = lookup;
        Box::pin(self.lookups.names.clone().resolve(address, client))
    }
}

impl<C, L> Ask<DomainName> for Asking<C, L>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
{
    fn ask(&self, asked: Asked<DomainName>) {
        let Self(upstream) = self.clone();
        let name = asked.question().clone();
        let lookup = async move {
            let target = Address::Name(name, 0);
            let asking = async {
                let stream = upstream.stream(None).await?.into_inner();
                upstream
                    .client
                    .resolve_address(stream, target.clone())
                    .await
            };
            upstream.logged(Command::RESOLVE, &target, asking.await)
        };
        answer(asked, lookup);
    }
}

impl<C, L> Ask<IpAddr> for Asking<C, L>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
{
    fn ask(&self, asked: Asked<IpAddr>) {
        let Self(upstream) = self.clone();
        let address = *asked.question();
        let lookup = async move {
            let asking = async {
                let stream = upstream.stream(None).await?.into_inner();
                upstream.client.resolve_ptr(stream, address).await
            };
            let target = Address::Ip((address, 0).into());
            upstream.logged(Command::RESOLVE_PTR, &target, asking.await)
        };
        answer(asked, lookup);
    }
}

/// Answers a lookup by what the proxy says, unless nobody waits for it any more.
fn answer<Q: Question>(
    asked: Asked<Q>,
    lookup: impl Future<Output = Result<Q::Found, ClientError>> + Send + 'static,
) {
    // Bounded by the turns. Those who wait are several, and each may leave.
    tokio::spawn(async move {
        let found = tokio::select! {
            found = lookup => found,
            () = asked.abandoned() => return,
        };
        let answer: Answer<Q::Found> = match found {
            Ok(found) => Ok((vec![found], Source::NameServer)),
            Err(error) => {
                let kind = match &error {
                    ClientError::Refused(ReplyCode::HOST_UNREACHABLE) => LookupErrorKind::NotFound,
                    _ => LookupErrorKind::Upstream,
                };
                Err((kind, error.into()))
            }
        };
        asked.answer(answer);
    });
}

impl<C, L> Clone for Asking<C, L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C, L> fmt::Debug for UpstreamResolver<C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamResolver").finish_non_exhaustive()
    }
}
