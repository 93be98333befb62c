//! Without an upstream: from this machine.

use tower::Layer;
use tower_socks::{
    Connector,
    connector::{
        Unsupported,
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
        resolve::SystemResolver,
    },
    layer::metrics::{LookupMetrics, LookupMetricsLayer},
};

use super::associate;
use crate::{
    limits::InForce,
    lookups::Lookups,
    names::{Names, Watched},
    settings::Fixed,
};

/// Lookups are measured and watched.
type Resolver = LookupMetrics<Watched<SystemResolver>>;

/// Connects directly. What becomes of its lookups is noted.
pub(crate) fn direct(
    fixed: &Fixed,
    limits: &InForce,
    system: SystemResolver,
    names: &Names,
) -> Connector<Direct<Resolver>, Bind<Resolver>, Associate<MakeDirect<Resolver>>, Lookups> {
    let transports = transports_directly(names, system.clone());
    connect_directly(fixed, limits, system, names)
        .with_associate(associate(transports, fixed, limits))
}

/// All but UDP.
pub(super) fn connect_directly(
    fixed: &Fixed,
    limits: &InForce,
    system: SystemResolver,
    names: &Names,
) -> Connector<Direct<Resolver>, Bind<Resolver>, Unsupported, Lookups> {
    let Fixed {
        timeouts,
        replies,
        resolve,
        ..
    } = fixed;
    let relay = timeouts.relay();
    let resolver = resolver(names, system.clone());
    let lookups = match resolve {
        true => Lookups::here(resolver.clone(), system, timeouts.dial.0),
        false => Lookups::off(),
    };
    let keepalive = timeouts.keepalive();
    let connect = Direct::new()
        .resolver(resolver.clone())
        .keepalive(keepalive);
    let bind = replies.bind().resolver(resolver).keepalive(keepalive);
    Connector::direct()
        .with_connect(connect.connect_timeout(timeouts.dial.0).relay(relay))
        .with_bind(
            bind.accept_timeout(timeouts.bind_accept.0)
                .limit(limits.binds())
                .relay(relay),
        )
        .with_associate(Unsupported)
        .with_resolve(lookups)
}

/// Sockets of this machine for datagrams.
pub(super) fn transports_directly(names: &Names, system: SystemResolver) -> MakeDirect<Resolver> {
    MakeDirect::new().resolver(resolver(names, system))
}

fn resolver(names: &Names, system: SystemResolver) -> Resolver {
    LookupMetricsLayer::new().layer(names.watch(system))
}
