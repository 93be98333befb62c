//! `upstream` of the file: the connector, direct or through other proxies.

mod datagrams;

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};
use tower::{Layer, Service};
use tower_socks::{
    BoxError, Connector, Request, Tunnel,
    connector::{
        BoxConnector, Unsupported,
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
        proxy_url::ProxyUrl,
        resolve::SystemResolver,
    },
    layer::metrics::{LookupMetrics, LookupMetricsLayer},
    proto::Address,
};

use crate::{
    limits::InForce,
    lookups::Lookups,
    names::{Names, Watched},
    settings::Fixed,
};

pub(crate) use self::datagrams::UpstreamUdp;

/// `upstream`: the URL of a proxy, or of several that are chained.
#[derive(Clone)]
pub(crate) struct Upstream {
    before: Vec<ProxyUrl>,
    last: ProxyUrl,
    /// As the file has it, passwords included.
    stated: Vec<String>,
}

/// Connects directly. What becomes of its lookups is noted.
pub(crate) fn direct(
    fixed: &Fixed,
    limits: &InForce,
    system: SystemResolver,
    names: &Names,
) -> Connector<Direct<Resolver>, Bind<Resolver>, Associate<MakeDirect<Resolver>>, Lookups> {
    let Fixed {
        timeouts,
        replies,
        resolve,
        ..
    } = fixed;
    let relay = timeouts.relay();
    let resolver = LookupMetricsLayer::new().layer(names.watch(system.clone()));
    let lookups = match resolve {
        true => Lookups::here(resolver.clone(), system, timeouts.dial.0),
        false => Lookups::refused(),
    };
    let keepalive = timeouts.keepalive();
    let connect = Direct::new()
        .resolver(resolver.clone())
        .keepalive(keepalive);
    let bind = replies
        .bind()
        .resolver(resolver.clone())
        .keepalive(keepalive);
    let transports = MakeDirect::new().resolver(resolver);
    Connector::direct()
        .with_connect(connect.connect_timeout(timeouts.dial.0).relay(relay))
        .with_bind(
            bind.accept_timeout(timeouts.bind_accept.0)
                .limit(limits.binds())
                .relay(relay),
        )
        .with_associate(associate(transports, fixed, limits))
        .with_resolve(lookups)
}

/// Executes UDP ASSOCIATE by these transports, within the limits of the file.
fn associate<S>(transports: S, fixed: &Fixed, limits: &InForce) -> Associate<S> {
    let Fixed { timeouts, .. } = fixed;
    Associate::with_transports(transports)
        .idle_timeout(timeouts.udp_idle.0)
        .limit(limits.associations())
        .backlog(fixed.limits.backlog_bytes_per_association.get())
        .rebind_after(timeouts.udp_rebind.limit())
}

/// Lookups are measured and watched.
type Resolver = LookupMetrics<Watched<SystemResolver>>;

impl Upstream {
    /// Whether two files say the same, passwords included.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.stated == other.stated
    }

    /// Whether the file has a password for one of them.
    pub(crate) fn has_password(&self) -> bool {
        self.stated.iter().any(|url| url.contains('@'))
    }

    /// Whether names are resolved by the last proxy, and not here.
    pub(crate) fn has_remote_dns(&self) -> bool {
        self.last.has_remote_dns()
    }

    /// Whether names can be looked up where requests for them are: by the last proxy in SOCKS5, or here.
    pub(crate) fn check_lookups(&self) -> Result<(), String> {
        let last = &self.last;
        if last.has_remote_dns() && last.client().is_none() {
            return Err(format!(
                "resolve: names are resolved by {last}, which nobody can ask for an address: a proxy of socks5h:// \
                 or socks5s:// can be, if it is Tor or like this one; leave `resolve` out with others"
            ));
        }
        Ok(())
    }

    /// Says at the start what becomes of datagrams, and what to set.
    pub(crate) fn log_udp(&self, udp: UpstreamUdp) {
        let is_in_tls = self.last.to_string().starts_with("socks5s:");
        match udp {
            UpstreamUdp::Off => tracing::info!(
                "requests go through {self}; BIND and UDP are refused, unless `upstream_udp` says how UDP goes there"
            ),
            UpstreamUdp::Associate if is_in_tls => tracing::warn!(
                "upstream_udp: datagrams go to {self} outside of TLS; those of \"udp-over-tcp\" are inside"
            ),
            _ => tracing::info!("requests go through {self}, UDP by {udp}; BIND is refused"),
        }
    }

    /// Whether datagrams can go through all of them.
    pub(crate) fn check_udp(&self, udp: UpstreamUdp) -> Result<(), String> {
        udp.check(&self.before, &self.last)
    }

    /// Connects through all of them. BIND is refused with 07, and so is UDP ASSOCIATE unless somebody has said how it
    /// is to get there: nothing bypasses the upstreams, and not all of them know these commands.
    pub(crate) fn connector(
        &self,
        fixed: &Fixed,
        limits: &InForce,
    ) -> impl Service<
        Request,
        Response = impl Tunnel + use<>,
        Error = BoxError,
        Future = impl Future + Send + use<>,
    > + Clone
    + Send
    + Sync
    + use<> {
        let Fixed {
            timeouts, resolve, ..
        } = fixed;
        let direct = Direct::new()
            .keepalive(timeouts.keepalive())
            .connect_timeout(timeouts.dial.0)
            .relay(timeouts.relay());
        let direct = BoxConnector::<Address>::new(direct);
        let transport = self.before.iter().fold(direct, |transport, url| {
            BoxConnector::new(url.connector_via(transport))
        });
        let last = &self.last;
        let lookups = match resolve {
            true => lookups_of(last, transport.clone(), timeouts.dial.0),
            false => Lookups::refused(),
        };
        Connector::direct()
            .with_connect(last.connector_via(transport.clone()))
            .with_bind(Unsupported)
            .with_associate(datagrams::through(last, transport, fixed, limits))
            .with_resolve(lookups)
    }
}

/// Looks names up where CONNECT has them looked up: by the proxy, which is reached by `transport`, or here.
fn lookups_of(url: &ProxyUrl, transport: BoxConnector<Address>, limit: Duration) -> Lookups {
    let measured = LookupMetricsLayer::new();
    if !url.has_remote_dns() {
        let system = SystemResolver::new();
        return Lookups::here(measured.layer(system.clone()), system, limit);
    }
    match url.resolver_via(transport) {
        Some(proxy) => Lookups::upstream(measured.layer(proxy.clone()), proxy, limit),
        None => Lookups::refused(),
    }
}

/// Without passwords.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for url in &self.before {
            write!(f, "{url}, then ")?;
        }
        self.last.fmt(f)
    }
}

/// Without passwords.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({self})")
    }
}

impl<'de> Deserialize<'de> for Upstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpstreamVisitor)
    }
}

struct UpstreamVisitor;

impl<'de> de::Visitor<'de> for UpstreamVisitor {
    type Value = Upstream;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the URL of a proxy, or a list of at least one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Upstream, E> {
        Ok(Upstream {
            before: Vec::new(),
            last: text.parse().map_err(E::custom)?,
            stated: vec![text.to_owned()],
        })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut urls: A) -> Result<Upstream, A::Error> {
        let (mut chain, mut stated) = (Vec::new(), Vec::new());
        while let Some(url) = urls.next_element::<String>()? {
            chain.push(url.parse().map_err(de::Error::custom)?);
            stated.push(url);
        }
        let last = chain.pop().ok_or_else(|| {
            de::Error::custom("an empty list is no upstream: leave it out to connect directly")
        })?;
        Ok(Upstream {
            before: chain,
            last,
            stated,
        })
    }
}
