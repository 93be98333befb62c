use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::task::spawn_blocking;
use tower_service::Service;

#[cfg(feature = "reverse-dns")]
use super::ReverseLookup;
use super::{
    Lookup, hosts,
    known::{Answer, Asked, Question, Source},
    shared::{Ask, SharedLookups},
};
use crate::{
    error::{BoxError, LookupErrorKind},
    proto::DomainName,
};

/// Lookups at once, unless told otherwise.
const CONCURRENCY: usize = 128;

/// The resolver of the system: `/etc/hosts`, and `getaddrinfo(3)` with whatever else is configured. With the
/// feature `reverse-dns` it finds the names of addresses too, by `getnameinfo(3)`.
///
/// Names are absolute, as if each had a dot at its end: `search`, `domain` and `ndots` of resolv.conf do not
/// apply, so that no policy judges `db` while `db.corp.example` is looked up. A name in the hosts file is
/// found there, single label or not. Names below `onion` are refused with 04 and not looked up (RFC 7686).
///
/// A lookup occupies a thread of tokio's blocking pool for as long as it takes, and cannot be
/// stopped. So the number of lookups at once is bounded, and [clients have shares](super#shares). Clones
/// share all of it. Errors are [`LookupError`](crate::error::LookupError).
#[derive(Clone)]
pub struct SystemResolver {
    // In one allocation: connectors hold a resolver for each command, and connections hold connectors.
    lookups: Arc<Lookups>,
}

struct Lookups {
    addresses: SharedLookups<Blocking<DomainName>, DomainName>,
    #[cfg(feature = "reverse-dns")]
    names: SharedLookups<Blocking<IpAddr>, IpAddr>,
}

struct Blocking<Q: Question>(Arc<Function<Q>>);

type Function<Q> = dyn Fn(&Q) -> io::Result<(Vec<<Q as Question>::Found>, Source)> + Send + Sync;

impl SystemResolver {
    /// Creates a resolver of 128 lookups at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with_concurrency(CONCURRENCY)
    }

    /// Creates a resolver of that many lookups at once, at least one. tokio's blocking pool has 512
    /// threads unless the runtime was built with another number.
    #[must_use]
    pub fn with_concurrency(lookups: usize) -> Self {
        Self::by(
            lookups,
            addresses_of,
            #[cfg(feature = "reverse-dns")]
            super::name_info::names_of,
        )
    }

    /// Creates a resolver that looks names up by this function in place of the system's, with the same bounds
    /// and that many lookups at once. The function may block. Of addresses it finds no name.
    ///
    /// Of its errors, [`NotFound`](io::ErrorKind::NotFound) is a name that does not exist,
    /// [`TimedOut`](io::ErrorKind::TimedOut) one for which no name server has an answer, and one with a number
    /// of the operating system the fault of this machine.
    #[must_use]
    pub fn from_fn<F>(lookups: usize, function: F) -> Self
    where
        F: Fn(&DomainName) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    {
        Self::by(
            lookups,
            move |name: &DomainName| Ok((function(name)?, Source::NameServer)),
            #[cfg(feature = "reverse-dns")]
            |_: &IpAddr| Err(io::ErrorKind::NotFound.into()),
        )
    }

    fn by(
        lookups: usize,
        addresses: impl Fn(&DomainName) -> io::Result<(Vec<IpAddr>, Source)> + Send + Sync + 'static,
        #[cfg(feature = "reverse-dns")] names: impl Fn(&IpAddr) -> io::Result<(Vec<DomainName>, Source)>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let addresses = SharedLookups::new(Blocking(Arc::new(addresses)), lookups);
        Self {
            lookups: Arc::new(Lookups {
                #[cfg(feature = "reverse-dns")]
                names: SharedLookups::beside(Blocking(Arc::new(names)), &addresses),
                addresses,
            }),
        }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Into<Lookup>> Service<L> for SystemResolver {
    type Response = Vec<IpAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: L) -> Self::Future {
        let Lookup { name, client } = lookup.into();
        Box::pin(self.lookups.addresses.clone().resolve(name, client))
    }
}

#[cfg(feature = "reverse-dns")]
impl Service<ReverseLookup> for SystemResolver {
    type Response = Vec<DomainName>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<DomainName>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: ReverseLookup) -> Self::Future {
        let ReverseLookup { address, client } = lookup;
        Box::pin(self.lookups.names.clone().resolve(address, client))
    }
}

impl<Q: Question> Clone for Blocking<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: Question> Ask<Q> for Blocking<Q> {
    fn ask(&self, asked: Asked<Q>) {
        let Self(function) = self.clone();
        // The turn is over when the thread is free, not when nobody waits any more.
        spawn_blocking(move || {
            let answer: Answer<Q::Found> =
                function(asked.question()).map_err(|error| (kind(&error), error.into()));
            asked.answer(answer);
        });
    }
}

/// Looks up a name as it is: with a dot at its end no search domain applies, whatever `search` and `ndots`
/// of resolv.conf are. What was judged is what is looked up.
fn addresses_of(name: &DomainName) -> io::Result<(Vec<IpAddr>, Source)> {
    let stated = hosts::addresses_of(name)?;
    if !stated.is_empty() {
        return Ok((stated, Source::Here));
    }
    let found = (format!("{name}."), 0).to_socket_addrs()?;
    let found = found.map(|address| address.ip()).collect();
    Ok((found, Source::NameServer))
}

/// Tells the kind of an error of `getaddrinfo`.
fn kind(error: &io::Error) -> LookupErrorKind {
    /// EAI_AGAIN in words, in lower case: the standard library has them in the text of its error, and keeps
    /// the number to itself. Those of glibc and macOS, of musl, of the BSDs.
    const AGAIN: [&str; 3] = ["temporary failure", "try again", "at this time"];
    /// EAI_MEMORY and the like.
    const MEMORY: [&str; 2] = ["memory", "system error"];
    /// WSAHOST_NOT_FOUND, WSANO_DATA and WSATRY_AGAIN: Windows has numbers for all.
    const WINDOWS: [(i32, LookupErrorKind); 3] = [
        (11001, LookupErrorKind::NotFound),
        (11004, LookupErrorKind::NotFound),
        (11002, LookupErrorKind::NoAnswer),
    ];
    if let Some(number) = error.raw_os_error() {
        let known = WINDOWS.iter().find(|(known, _)| *known == number);
        return known.map_or(LookupErrorKind::System, |(_, kind)| *kind);
    }
    let text = error.to_string().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if error.kind() == io::ErrorKind::TimedOut || says(&AGAIN) {
        LookupErrorKind::NoAnswer
    } else if error.kind() == io::ErrorKind::OutOfMemory || says(&MEMORY) {
        LookupErrorKind::System
    } else {
        LookupErrorKind::NotFound
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").finish_non_exhaustive()
    }
}
