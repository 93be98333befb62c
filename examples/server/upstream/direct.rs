//! Without an upstream: from this machine.

use tower::Layer;
use tower_socks::{
    Connector,
    connector::{
        Unsupported,
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
    },
    layer::metrics::{LookupMetrics, LookupMetricsLayer},
};

use super::Parts;
use crate::{lookups::Lookups, names::Watched, resolver::Resolver};

/// Lookups are measured and watched.
type Watching = LookupMetrics<Watched<Resolver>>;

/// Connects directly. What becomes of its lookups is noted.
pub(crate) fn direct(
    parts: Parts<'_>,
) -> Connector<Direct<Watching>, Bind<Watching>, Associate<MakeDirect<Watching>>, Lookups> {
    let transports = transports_directly(parts);
    connect_directly(parts).with_associate(parts.associate(transports))
}

/// All but UDP.
pub(super) fn connect_directly(
    parts: Parts<'_>,
) -> Connector<Direct<Watching>, Bind<Watching>, Unsupported, Lookups> {
    let (fixed, timeouts) = (parts.fixed, &parts.fixed.timeouts);
    let relay = fixed.relay();
    let watching = watching(parts);
    let lookups = match fixed.resolve {
        true => Lookups::here(watching.clone(), parts.resolver.clone(), timeouts.dial.0),
        false => Lookups::off(),
    };
    let keepalive = timeouts.keepalive();
    let connect = Direct::new()
        .resolver(watching.clone())
        .keepalive(keepalive);
    let bind = parts.bind().resolver(watching).keepalive(keepalive);
    let (connect, bind) = match parts.departure.same() {
        Some(outgoing) => (connect.outgoing(outgoing.clone()), bind.outgoing(outgoing)),
        None => (
            connect.outgoing_by(parts.departure.function()),
            bind.outgoing_by(parts.departure.function()),
        ),
    };
    Connector::direct()
        .with_connect(connect.connect_timeout(timeouts.dial.0).relay(relay))
        .with_bind(
            bind.accept_timeout(timeouts.bind_accept.0)
                .limit(parts.limits.binds())
                .relay(relay),
        )
        .with_associate(Unsupported)
        .with_resolve(lookups)
}

/// Sockets of this machine for datagrams.
pub(super) fn transports_directly(parts: Parts<'_>) -> MakeDirect<Watching> {
    let transports = MakeDirect::new().resolver(watching(parts));
    let transports = parts.network.udp.transports(transports);
    match parts.departure.same() {
        Some(outgoing) => transports.outgoing(outgoing),
        None => transports.outgoing_by(parts.departure.function()),
    }
}

fn watching(parts: Parts<'_>) -> Watching {
    LookupMetricsLayer::new().layer(parts.names.watch(parts.resolver.clone()))
}
