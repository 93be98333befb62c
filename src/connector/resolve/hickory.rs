use std::{
    fmt,
    future::Future,
    net::IpAddr,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use hickory_resolver::{
    TokioResolver,
    net::NetError,
    proto::rr::{Name, RData, rdata::PTR},
};
use tower_service::Service;

use super::{
    Lookup, NameServers, ReverseLookup,
    known::{Answer, Asked, Source},
    resolv_conf::Current,
    shared::{Ask, SharedLookups},
};
use crate::{
    error::{BoxError, LookupErrorKind},
    proto::DomainName,
};

/// Lookups at once, unless told otherwise: they cost a socket each, and no thread.
const CONCURRENCY: usize = 512;

/// A resolver that asks name servers itself and keeps their answers for as long as they are valid.
///
/// Names are absolute, as with [`SystemResolver`](super::SystemResolver): no search domain applies, the hosts
/// file does, and names below `onion` are refused. The number of lookups at once is bounded, 512 unless
/// [told otherwise](Self::with_concurrency), and [clients have shares](super#shares).
///
/// Unlike the system's, a lookup occupies no thread, and ends once nobody waits for it. Clones share the cache
/// and the bounds. Errors are [`LookupError`](crate::error::LookupError).
#[derive(Clone)]
pub struct HickoryResolver {
    addresses: SharedLookups<Current, DomainName>,
    names: SharedLookups<Current, IpAddr>,
}

impl HickoryResolver {
    /// Creates a resolver from the name servers and options of the system, with both families
    /// looked up. On Unix a change of `/etc/resolv.conf` is noticed within 5 s, with the next lookup.
    ///
    /// # Errors
    ///
    /// When the configuration of the system cannot be read.
    pub fn from_system() -> Result<Self, BoxError> {
        Ok(Self::by(Current::of_system()?, CONCURRENCY))
    }

    /// Creates a resolver from the name servers and options of such a file, in the format of resolv.conf(5), as
    /// [`from_system`](Self::from_system) does. The file is read again when it has changed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or names no server.
    #[cfg(unix)]
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, BoxError> {
        Ok(Self::by(Current::of_file(path.into())?, CONCURRENCY))
    }

    /// Creates a resolver that asks these name servers, whatever the system has.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn with_servers(servers: &NameServers) -> Result<Self, BoxError> {
        Ok(servers.resolver()?.into())
    }

    /// Bounds the lookups at once, of all clients together: at least one.
    #[must_use]
    pub fn with_concurrency(self, lookups: usize) -> Self {
        Self::by(self.addresses.by, lookups)
    }

    fn by(resolver: Current, lookups: usize) -> Self {
        let addresses = SharedLookups::new(resolver.clone(), lookups);
        Self {
            names: SharedLookups::beside(resolver, &addresses),
            addresses,
        }
    }
}

impl From<TokioResolver> for HickoryResolver {
    fn from(resolver: TokioResolver) -> Self {
        Self::by(Current::fixed(resolver), CONCURRENCY)
    }
}

impl<L: Into<Lookup>> Service<L> for HickoryResolver {
    type Response = Vec<IpAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: L) -> Self::Future {
        let Lookup { name, client } = lookup.into();
        Box::pin(self.addresses.clone().resolve(name, client))
    }
}

impl Service<ReverseLookup> for HickoryResolver {
    type Response = Vec<DomainName>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<DomainName>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: ReverseLookup) -> Self::Future {
        let ReverseLookup { address, client } = lookup;
        Box::pin(self.names.clone().resolve(address, client))
    }
}

impl Ask<DomainName> for Current {
    fn ask(&self, asked: Asked<DomainName>) {
        let resolver = self.get();
        // Bounded by the turns. Those who wait are several, and each may leave.
        tokio::spawn(async move {
            // With its dot the name is absolute: no search domain applies.
            let name = match Name::from_ascii(format!("{}.", asked.question())) {
                Ok(name) => name,
                Err(error) => return asked.answer(Err((LookupErrorKind::NotFound, error.into()))),
            };
            let found = tokio::select! {
                found = resolver.lookup_ip(name) => found,
                () = asked.abandoned() => return,
            };
            let answer: Answer<IpAddr> = match found {
                Ok(found) => Ok((found.iter().collect(), Source::NameServer)),
                Err(error) => Err((kind(&error), error.into())),
            };
            asked.answer(answer);
        });
    }
}

impl Ask<IpAddr> for Current {
    fn ask(&self, asked: Asked<IpAddr>) {
        let resolver = self.get();
        tokio::spawn(async move {
            let found = tokio::select! {
                found = resolver.reverse_lookup(*asked.question()) => found,
                () = asked.abandoned() => return,
            };
            let answer: Answer<DomainName> = match found {
                Ok(found) => Ok((
                    found
                        .answers()
                        .iter()
                        .filter_map(|record| match &record.data {
                            // What is no name of a host, an IP literal above all, is none.
                            RData::PTR(PTR(name)) => DomainName::new(&name.to_ascii()).ok(),
                            _ => None,
                        })
                        .collect(),
                    Source::NameServer,
                )),
                Err(error) => Err((kind(&error), error.into())),
            };
            asked.answer(answer);
        });
    }
}

/// Tells the kind of an error of the resolver.
fn kind(error: &NetError) -> LookupErrorKind {
    /// ENOMEM, ENFILE and EMFILE.
    const LACKS: [i32; 3] = [12, 23, 24];
    match error {
        NetError::Io(error)
            if error
                .raw_os_error()
                .is_some_and(|number| LACKS.contains(&number)) =>
        {
            LookupErrorKind::System
        }
        error if error.is_nx_domain() || error.is_no_records_found() => LookupErrorKind::NotFound,
        _ => LookupErrorKind::NoAnswer,
    }
}

impl fmt::Debug for HickoryResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HickoryResolver").finish_non_exhaustive()
    }
}
