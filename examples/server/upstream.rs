//! `upstream` of the file: the connector, direct or through other proxies.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};
use tower::Layer;
use tower_socks::{
    Connector, Request,
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

use crate::{lookups::Lookups, settings::Fixed, timeouts::Timeouts};

/// `upstream`: the URL of a proxy, or of several that are chained.
#[derive(Clone)]
pub(crate) struct Upstream {
    chain: Vec<ProxyUrl>,
    /// As the file has it, passwords included.
    stated: Vec<String>,
}

/// Connects directly.
pub(crate) fn direct(
    fixed: &Fixed,
) -> Connector<Direct<Resolver>, Bind<Resolver>, Associate<MakeDirect<Resolver>>, Lookups> {
    let Fixed {
        limits,
        timeouts,
        replies,
        resolve,
        ..
    } = fixed;
    let relay = timeouts.relay();
    let system = SystemResolver::new();
    let resolver = LookupMetricsLayer::new().layer(system.clone());
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
    let associate = Associate::with_transports(MakeDirect::new().resolver(resolver));
    Connector::direct()
        .with_connect(connect.connect_timeout(timeouts.dial.0).relay(relay))
        .with_bind(
            bind.accept_timeout(timeouts.bind_accept.0)
                .per_client(limits.binds_per_user.get())
                .relay(relay),
        )
        .with_associate(
            associate
                .idle_timeout(timeouts.udp_idle.0)
                .per_client(limits.associations_per_user.get())
                .rebind_after(timeouts.udp_rebind.0),
        )
        .with_resolve(lookups)
}

/// Lookups are measured.
type Resolver = LookupMetrics<SystemResolver>;

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
        self.chain.last().is_some_and(ProxyUrl::has_remote_dns)
    }

    /// Whether names can be looked up where requests for them are: by the last proxy in SOCKS5, or here.
    pub(crate) fn check_lookups(&self) -> Result<(), String> {
        match self.chain.last() {
            Some(last) if last.has_remote_dns() && last.client().is_none() => Err(format!(
                "resolve: names are resolved by {last}, which nobody can ask for an address: a proxy of socks5h:// \
                 or socks5s:// can be, if it is Tor or like this one; leave `resolve` out with others"
            )),
            _ => Ok(()),
        }
    }

    /// Connects through all of them. BIND and UDP ASSOCIATE are refused with 07: they must not bypass
    /// the upstreams, and not all of those know these commands.
    pub(crate) fn connector(
        &self,
        timeouts: &Timeouts,
        resolve: bool,
    ) -> Connector<BoxConnector, Unsupported, Unsupported, Lookups> {
        let direct = Direct::new()
            .keepalive(timeouts.keepalive())
            .connect_timeout(timeouts.dial.0)
            .relay(timeouts.relay());
        let mut transport = BoxConnector::<Address>::new(direct.clone());
        let mut out = BoxConnector::<Request>::new(direct);
        let mut lookups = Lookups::refused();
        for url in &self.chain {
            if resolve {
                lookups = lookups_of(url, transport.clone(), timeouts.dial.0);
            }
            out = BoxConnector::new(url.connector_via(transport.clone()));
            transport = BoxConnector::new(url.connector_via(transport));
        }
        Connector::direct()
            .with_connect(out)
            .with_bind(Unsupported)
            .with_associate(Unsupported)
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
        for (place, url) in self.chain.iter().enumerate() {
            write!(f, "{}{url}", if place == 0 { "" } else { ", then " })?;
        }
        Ok(())
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
            chain: vec![text.parse().map_err(E::custom)?],
            stated: vec![text.to_owned()],
        })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut urls: A) -> Result<Upstream, A::Error> {
        let (mut chain, mut stated) = (Vec::new(), Vec::new());
        while let Some(url) = urls.next_element::<String>()? {
            chain.push(url.parse().map_err(de::Error::custom)?);
            stated.push(url);
        }
        if chain.is_empty() {
            return Err(de::Error::custom(
                "an empty list is no upstream: leave it out to connect directly",
            ));
        }
        Ok(Upstream { chain, stated })
    }
}
