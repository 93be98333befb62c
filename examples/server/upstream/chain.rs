//! The URL of a proxy, or of several that are chained.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, de};
use tower::Layer;
use tower_socks::{
    connector::{
        BoxConnector, Outgoing,
        direct::Direct,
        proxy_url::{ProxyConnector, ProxyUrl},
        upstream::{Socks4Upstream, Socks5Upstream},
    },
    layer::metrics::LookupMetricsLayer,
    proto::Address,
    tls::rustls::ClientConfig,
};

use super::{Parts, datagrams::UpstreamUdp, kinds::Tunnels};
use crate::lookups::Lookups;

/// Proxies, one after the other.
#[derive(Clone)]
pub(crate) struct Chain {
    before: Vec<ProxyUrl>,
    last: ProxyUrl,
    /// As the file has it, passwords included.
    stated: Vec<String>,
}

impl Chain {
    /// As the file has it, passwords included.
    pub(super) fn stated(&self) -> &[String] {
        &self.stated
    }

    /// Whether the file has a password for one of them.
    pub(super) fn has_password(&self) -> bool {
        self.stated.iter().any(|url| url.contains('@'))
    }

    /// Whether names are resolved by the last proxy, and not here.
    pub(super) fn has_remote_dns(&self) -> bool {
        self.last.has_remote_dns()
    }

    /// Whether the last proxy can be asked to look a name up, or names are looked up here.
    pub(super) fn has_lookups(&self) -> bool {
        !self.last.has_remote_dns() || self.last.client().is_some()
    }

    /// Whether the last proxy knows BIND.
    pub(super) fn has_bind(&self) -> bool {
        self.last.client().is_some() || self.last.socks4_client().is_some()
    }

    pub(super) fn last(&self) -> &ProxyUrl {
        &self.last
    }

    /// Whether TLS is spoken to the last proxy.
    pub(super) fn is_in_tls(&self) -> bool {
        self.last.is_in_tls()
    }

    /// Whether datagrams can go through all of them.
    pub(super) fn check_udp(&self, udp: UpstreamUdp) -> Result<(), String> {
        udp.check(&self.before, &self.last)
    }

    /// Has all that are spoken to in TLS known by these authorities. Returns whether there is one.
    pub(super) fn trust(&mut self, tls: &Arc<ClientConfig>) -> bool {
        let mut all = self.before.iter_mut().chain([&mut self.last]);
        all.by_ref().fold(false, |found, url| {
            *url = url.clone().with_tls(Arc::clone(tls));
            found || url.is_in_tls()
        })
    }

    /// What the last proxy is reached by, from there.
    pub(super) fn transport(&self, parts: Parts<'_>, outgoing: Outgoing) -> BoxConnector<Address> {
        let timeouts = &parts.fixed.timeouts;
        let direct = Direct::new()
            .resolver(parts.resolver.clone())
            .outgoing(outgoing)
            .keepalive(timeouts.keepalive())
            .connect_timeout(timeouts.dial.0)
            .relay(parts.fixed.relay());
        let direct = BoxConnector::<Address>::new(direct);
        self.before.iter().fold(direct, |transport, url| {
            BoxConnector::new(url.connector_via(transport))
        })
    }

    /// Connects by the last proxy.
    pub(super) fn connector(
        &self,
        transport: &BoxConnector<Address>,
    ) -> ProxyConnector<BoxConnector<Address>> {
        self.last.connector_via(transport.clone())
    }

    /// Executes BIND by the last proxy, if it knows the command.
    pub(super) fn bind(
        &self,
        transport: &BoxConnector<Address>,
        parts: Parts<'_>,
    ) -> Option<Tunnels> {
        let limits = parts.limits;
        let (last, proxy) = (&self.last, self.last.address().clone());
        let transport = last.transport_via(transport.clone());
        if let Some(client) = last.client() {
            let upstream = Socks5Upstream::new(proxy).client(client).via(transport);
            return Some(match last.has_remote_dns() {
                true => Tunnels::new(upstream.into_bind().limit(limits.binds())),
                false => {
                    let upstream = upstream.local_dns(parts.resolver.clone());
                    Tunnels::new(upstream.into_bind().limit(limits.binds()))
                }
            });
        }
        let client = last.socks4_client()?;
        let upstream = Socks4Upstream::new(proxy).client(client).via(transport);
        Some(match last.has_remote_dns() {
            true => Tunnels::new(upstream.into_bind().limit(limits.binds())),
            false => {
                let upstream = upstream.local_dns(parts.resolver.clone());
                Tunnels::new(upstream.into_bind().limit(limits.binds()))
            }
        })
    }

    /// Looks names up where CONNECT has them looked up: by the proxy, or here.
    pub(super) fn lookups(&self, transport: &BoxConnector<Address>, parts: Parts<'_>) -> Lookups {
        let limit = parts.fixed.timeouts.dial.0;
        let measured = LookupMetricsLayer::new();
        if !self.has_remote_dns() {
            let resolver = parts.resolver.clone();
            return Lookups::here(measured.layer(resolver.clone()), resolver, limit);
        }
        match self.last.resolver_via(transport.clone()) {
            Some(proxy) => Lookups::upstream(measured.layer(proxy.clone()), proxy, limit),
            None => Lookups::refused("the upstream cannot be asked for the address of a name"),
        }
    }
}

/// Without passwords.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for url in &self.before {
            write!(f, "{url}, then ")?;
        }
        self.last.fmt(f)
    }
}

/// Without passwords.
impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({self})")
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChainVisitor)
    }
}

struct ChainVisitor;

impl<'de> de::Visitor<'de> for ChainVisitor {
    type Value = Chain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the URL of a proxy, or a list of at least one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Chain, E> {
        Ok(Chain {
            before: Vec::new(),
            last: text.parse().map_err(E::custom)?,
            stated: vec![text.to_owned()],
        })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut urls: A) -> Result<Chain, A::Error> {
        let (mut chain, mut stated) = (Vec::new(), Vec::new());
        while let Some(url) = urls.next_element::<String>()? {
            chain.push(url.parse().map_err(de::Error::custom)?);
            stated.push(url);
        }
        let last = chain.pop().ok_or_else(|| {
            de::Error::custom("an empty list is no upstream: leave it out to connect directly")
        })?;
        Ok(Chain {
            before: chain,
            last,
            stated,
        })
    }
}
