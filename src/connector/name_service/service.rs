use std::{
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::timeout;
use tower_service::Service;

use super::{NameServiceTunnel, ResponseFuture};
use crate::{
    connector::{
        resolve::{
            Lookup, Resolve, ReverseLookup, ReverseResolve, SystemResolver, addresses_of, names_of,
        },
        unsupported::{self, Unsupported},
    },
    error::{BoxError, Refusal},
    proto::{Address, Command, DomainName, ReplyCode},
    session::{Protocol, Request},
};

/// Answers to one lookup that the policies are asked about: a name can have thousands.
const CANDIDATES: usize = 32;

/// Executes RESOLVE and RESOLVE_PTR. See the [module](super).
///
/// `R` is the [resolver](Resolve), and `P` the [reverse resolver](ReverseResolve). Clones share what clones of
/// these share.
#[derive(Clone, Copy, Debug)]
pub struct NameService<R = SystemResolver, P = Unsupported> {
    resolver: R,
    reverse_resolver: P,
    limit: Duration,
    ipv6_first: bool,
    handed_on: bool,
}

impl NameService {
    /// Resolves by the system, with 20 s for a lookup. RESOLVE_PTR is refused with 07.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resolver: SystemResolver::new(),
            reverse_resolver: Unsupported,
            limit: Duration::from_secs(20),
            ipv6_first: false,
            handed_on: false,
        }
    }
}

impl Default for NameService {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, P> NameService<R, P> {
    /// Replaces the resolver: of RESOLVE.
    #[must_use]
    pub fn resolver<T: Resolve>(self, resolver: T) -> NameService<T, P> {
        NameService {
            resolver,
            reverse_resolver: self.reverse_resolver,
            limit: self.limit,
            ipv6_first: self.ipv6_first,
            handed_on: self.handed_on,
        }
    }

    /// Replaces the reverse resolver: of RESOLVE_PTR.
    #[must_use]
    pub fn reverse_resolver<T: ReverseResolve>(self, reverse_resolver: T) -> NameService<R, T> {
        NameService {
            resolver: self.resolver,
            reverse_resolver,
            limit: self.limit,
            ipv6_first: self.ipv6_first,
            handed_on: self.handed_on,
        }
    }

    /// Limits a lookup: 20 s by default. Reply 06 when it has passed.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets whether RESOLVE tells an IPv6 address where there are both: not by default.
    #[must_use]
    pub const fn ipv6_first(mut self, whether: bool) -> Self {
        self.ipv6_first = whether;
        self
    }

    /// Sets whether the resolver hands names on to another proxy, as an
    /// [`UpstreamResolver`](crate::connector::upstream::UpstreamResolver) does: policies are asked about each name as about one
    /// that an upstream resolves, before it leaves. Not by default.
    #[must_use]
    pub const fn hands_names_on(mut self, whether: bool) -> Self {
        self.handed_on = whether;
        self
    }
}

impl<R, P> Service<Request> for NameService<R, P>
where
    R: Resolve,
    P: ReverseResolve,
{
    type Response = NameServiceTunnel;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The resolvers are asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        let (limit, ipv6_first, handed_on) = (self.limit, self.ipv6_first, self.handed_on);
        match request.command {
            Command::RESOLVE => {
                let resolver = self.resolver.clone();
                ResponseFuture::new(async move {
                    if handed_on && matches!(request.target, Address::Name(..)) {
                        request.approve_name()?;
                    }
                    let lookup = address(resolver, request, ipv6_first);
                    let found = SocketAddr::new(timeout(limit, lookup).await??, 0);
                    Ok(NameServiceTunnel::new(Address::Ip(found)))
                })
            }
            Command::RESOLVE_PTR => {
                let resolver = self.reverse_resolver.clone();
                ResponseFuture::new(async move {
                    let found = timeout(limit, name(resolver, request)).await??;
                    Ok(NameServiceTunnel::new(Address::Name(found, 0)))
                })
            }
            other => ResponseFuture::new(async move { Err(unsupported::refusal(other).into()) }),
        }
    }
}

/// Finds the address for a client of RESOLVE: one that every policy approves of.
async fn address<R: Resolve>(
    resolver: R,
    request: Request,
    ipv6_first: bool,
) -> Result<IpAddr, BoxError> {
    let port = request.target.port();
    let found = match &request.target {
        Address::Ip(address) => vec![address.ip()],
        Address::Name(name, _) => {
            addresses_of(resolver, Lookup::of(name.clone(), Some(&request))).await?
        }
    };
    let takes_ipv6 = request.protocol != Protocol::Socks4;
    let (mut second, mut refusal) = (None, None);
    for ip in found.iter().map(IpAddr::to_canonical).take(CANDIDATES) {
        if ip.is_ipv6() && !takes_ipv6 {
            continue;
        }
        match request.approve(SocketAddr::new(ip, port)) {
            Ok(()) if ip.is_ipv6() == (ipv6_first && takes_ipv6) => return Ok(ip),
            Ok(()) => second = second.or(Some(ip)),
            Err(refused) => refusal = Some(refused),
        }
    }
    second.ok_or_else(|| {
        let unusable = || {
            Refusal::new(
                ReplyCode::HOST_UNREACHABLE,
                format!("{} has no address that SOCKS4 can tell", request.target),
            )
        };
        refusal.unwrap_or_else(unusable).into()
    })
}

/// Finds the name for a client of RESOLVE_PTR: of an address that every policy approves of, one that could be
/// requested with that address.
async fn name<P: ReverseResolve>(resolver: P, request: Request) -> Result<DomainName, BoxError> {
    let Address::Ip(address) = request.target else {
        return Err(Refusal::new(
            ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED,
            "the name of a name was asked for",
        )
        .into());
    };
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    request.approve(address)?;
    let mut refusal = None;
    let found = names_of(resolver, ReverseLookup::of(address.ip(), &request)).await?;
    for name in found.into_iter().take(CANDIDATES) {
        let target = Address::Name(name.clone(), address.port());
        let told = request.about(target);
        match told.and_then(|request| request.approve(address)) {
            Ok(()) => return Ok(name),
            Err(refused) => refusal = Some(refused),
        }
    }
    let unnamed = || Refusal::new(ReplyCode::HOST_UNREACHABLE, "the address has no name");
    Err(refusal.unwrap_or_else(unnamed).into())
}
