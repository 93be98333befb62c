//! `[resolver]` of the file: who looks names up.

use std::{
    fmt,
    future::Future,
    net::IpAddr,
    num::{NonZeroU8, NonZeroUsize},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use serde::Deserialize;
use tower::Service;
#[cfg(feature = "hickory")]
use tower_socks::connector::resolve::{HickoryResolver, NameServers};
use tower_socks::{
    BoxError,
    connector::resolve::{Lookup, ReverseLookup, SystemResolver},
    proto::DomainName,
};

use crate::{
    authorities::{Trusted, trust},
    certificates::Certificates,
    name_server::NameServer,
    timeouts::Span,
};

/// `[resolver]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResolverTable {
    kind: Kind,
    /// Those of the system, if there are none.
    servers: Vec<NameServer>,
    /// Of those inside TLS; the platform's, if it is left out.
    authorities: Option<PathBuf>,
    #[serde(skip)]
    trusted: Option<Trusted>,
    timeout: Option<Span>,
    attempts: Option<NonZeroU8>,
    /// Answers that are kept.
    cache: Option<u32>,
    lookups_at_once: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    System,
    Hickory,
}

impl ResolverTable {
    /// Reads the authorities of name servers. Blocks.
    ///
    /// # Errors
    ///
    /// They cannot be used.
    pub(crate) fn load(&mut self) -> Result<(), String> {
        if let Some(file) = &self.authorities {
            let trusted = trust(file).map_err(|problem| format!("resolver, {problem}"))?;
            self.trusted = Some(trusted);
        }
        Ok(())
    }

    /// When they expire.
    pub(crate) fn certificates(&self) -> Certificates {
        let trusted = self.trusted.as_ref();
        trusted
            .map(|trusted| trusted.expires.clone())
            .unwrap_or_default()
    }

    /// Looks whether the fields go together, and with this build.
    pub(crate) fn check(&self) -> Result<(), String> {
        let asks_itself = [
            ("timeout", self.timeout.is_some()),
            ("attempts", self.attempts.is_some()),
            ("cache", self.cache.is_some()),
        ];
        let stated = asks_itself.into_iter().find(|(_, is_stated)| *is_stated);
        match self.kind {
            _ if self.authorities.is_some() && !self.servers.iter().any(|it| it.is_in_tls) => Err(
                "resolver, authorities: they are for `servers` inside TLS, such as \"tls://192.0.2.53#dns.example\"".into(),
            ),
            Kind::System if !self.servers.is_empty() => Err(
                "resolver, servers: the system asks its own, those of /etc/resolv.conf: write kind = \"hickory\" to \
                 have these asked"
                    .into(),
            ),
            Kind::System => stated.map_or(Ok(()), |(field, _)| {
                Err(format!(
                    "resolver, {field}: how the system asks is said in /etc/resolv.conf: write kind = \"hickory\" and \
                     `servers` to say it here"
                ))
            }),
            Kind::Hickory if !cfg!(feature = "hickory") => Err(
                "resolver, kind: this program was built without \"hickory\": build it with \
                 `cargo build --release --example server --features hickory`"
                    .into(),
            ),
            Kind::Hickory if self.servers.is_empty() => stated.map_or(Ok(()), |(field, _)| {
                Err(format!(
                    "resolver, {field}: it is about `servers`; those of /etc/resolv.conf have `options` there"
                ))
            }),
            Kind::Hickory => Ok(()),
        }
    }

    /// Makes a resolver.
    fn resolver(&self) -> Result<Resolver, BoxError> {
        self.check()?;
        match self.kind {
            Kind::System => Ok(Resolver::System(match self.lookups_at_once {
                Some(lookups) => SystemResolver::with_concurrency(lookups.get()),
                None => SystemResolver::new(),
            })),
            #[cfg(feature = "hickory")]
            Kind::Hickory => self.hickory().map(Resolver::Hickory),
            // `check` has said so.
            #[cfg(not(feature = "hickory"))]
            Kind::Hickory => Err("there is no such resolver in this build".into()),
        }
    }

    #[cfg(feature = "hickory")]
    fn hickory(&self) -> Result<HickoryResolver, BoxError> {
        let resolver = if self.servers.is_empty() {
            HickoryResolver::from_system().map_err(|error| format!("resolver: {error}"))?
        } else {
            let clear = self.servers.iter().filter(|server| !server.is_in_tls);
            let mut servers = NameServers::new(clear.map(|server| server.address));
            for server in self.servers.iter().filter(|server| server.is_in_tls) {
                servers = servers.and_by_tls(server.address, server.name.as_deref());
            }
            if let Some(trusted) = &self.trusted {
                servers = servers.tls(Arc::clone(&trusted.tls));
            }
            if let Some(Span(limit)) = self.timeout {
                servers = servers.timeout(limit);
            }
            if let Some(attempts) = self.attempts {
                servers = servers.attempts(attempts.get().into());
            }
            if let Some(answers) = self.cache {
                servers = servers.cache(answers);
            }
            HickoryResolver::with_servers(&servers).map_err(|error| format!("resolver: {error}"))?
        };
        Ok(match self.lookups_at_once {
            Some(lookups) => resolver.with_concurrency(lookups.get()),
            None => resolver,
        })
    }
}

/// For people.
impl fmt::Display for ResolverTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::System => "system",
            Kind::Hickory => "hickory",
        })?;
        for (place, server) in self.servers.iter().enumerate() {
            write!(f, "{} {server}", if place == 0 { ", asks" } else { "," })?;
        }
        if let Some(authorities) = &self.authorities {
            write!(f, ", known by {}", authorities.display())?;
        }
        Ok(())
    }
}

/// Looks names up, and names of addresses.
#[derive(Clone, Debug)]
pub(crate) enum Resolver {
    System(SystemResolver),
    #[cfg(feature = "hickory")]
    Hickory(HickoryResolver),
}

type Found<T> = Pin<Box<dyn Future<Output = Result<Vec<T>, BoxError>> + Send>>;

impl Service<Lookup> for Resolver {
    type Response = Vec<IpAddr>;
    type Error = BoxError;
    type Future = Found<IpAddr>;

    // Both are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: Lookup) -> Found<IpAddr> {
        match self {
            Self::System(system) => system.call(lookup),
            #[cfg(feature = "hickory")]
            Self::Hickory(hickory) => hickory.call(lookup),
        }
    }
}

impl Service<ReverseLookup> for Resolver {
    type Response = Vec<DomainName>;
    type Error = BoxError;
    type Future = Found<DomainName>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, lookup: ReverseLookup) -> Found<DomainName> {
        match self {
            Self::System(system) => system.call(lookup),
            #[cfg(feature = "hickory")]
            Self::Hickory(hickory) => hickory.call(lookup),
        }
    }
}

/// The resolver that is in force, with what it has in its cache: it goes on for as long as the file says the same of it.
/// Clones share it.
#[derive(Clone)]
pub(crate) struct Resolvers(Arc<Mutex<(ResolverTable, Resolver)>>);

impl Resolvers {
    pub(crate) fn new(stated: &ResolverTable) -> Result<Self, BoxError> {
        let resolver = stated.resolver()?;
        Ok(Self(Arc::new(Mutex::new((stated.clone(), resolver)))))
    }

    /// The one that is stated.
    pub(crate) fn of(&self, stated: &ResolverTable) -> Result<Resolver, BoxError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != *stated {
            *known = (stated.clone(), stated.resolver()?);
        }
        Ok(known.1.clone())
    }
}
