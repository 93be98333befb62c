//! The stack of layers, from the login to the connector, as the settings say it. A reload builds another one.

use tower::{Layer, Service, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Request, Tunnel,
    layer::{
        acl::recheck::RecheckLayer, limit::LimitLayer, meter::MeterLayer,
        metrics::RequestMetricsLayer,
    },
};

use crate::{
    auth::ReloadableAuth,
    serving::AcceptLoops,
    settings::Settings,
    shared::Shared,
    shared_stack::SharedStack,
    udp_over_tcp,
    upstream::{self, Parts},
};

/// Starts to accept connections at each door with a stack of these settings.
///
/// # Errors
///
/// Descriptors have run out. What was started then retires with `loops`.
pub(crate) fn start(
    settings: &Settings,
    shared: &Shared,
    loops: &mut AcceptLoops<'_>,
) -> Result<(), BoxError> {
    let fixed = &settings.fixed;
    shared.upstreams.take_over(&fixed.upstream);
    if fixed.upstream.is_direct() {
        start_over(upstream::direct, settings, shared, loops)
    } else {
        let by_plan = |parts: Parts<'_>| upstream::by_plan(parts, &shared.upstreams);
        start_over(by_plan, settings, shared, loops)
    }
}

fn start_over<C, T>(
    connector: impl Fn(Parts<'_>) -> C,
    settings: &Settings,
    shared: &Shared,
    loops: &mut AcceptLoops<'_>,
) -> Result<(), BoxError>
where
    C: Service<Request, Response = T, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    T: Tunnel + 'static,
{
    let fixed = &settings.fixed;
    let auth = ServiceBuilder::new()
        .layer(shared.fleet.failed_logins(&shared.failed))
        .layer(AuthLayer::new(ReloadableAuth::new(
            shared.accounts(),
            &fixed.logins,
            &shared.remembered,
        )));
    let (limits, fleet) = (&shared.limits, &shared.fleet);
    // All at once: where they are shared, that is one round trip.
    let admitted = fleet.with_quota((
        fleet.requests(limits.requests()),
        fleet.tunnels(limits.tunnels()),
    ));
    let layers = ServiceBuilder::new()
        .layer(shared.records.requests())
        .timeout(fixed.timeouts.dial.0)
        .option_layer(fixed.search_domain.as_ref().map(|domain| domain.layer()))
        .layer(RequestMetricsLayer::new())
        .layer(shared.open.layer())
        .layer(RecheckLayer::new(shared.policy()))
        .layer(AclLayer::new(shared.policy()))
        .map_request(limits.find())
        .layer(LimitLayer::new(admitted))
        .layer(MeterLayer::new(fleet.bandwidth(limits.bandwidth())))
        .layer(MeterLayer::new(fleet.quota(limits.quota())));
    let front = fixed.replies.front(&fixed.timeouts, &shared.http);
    let resolver = shared.resolvers.of(&fixed.resolver)?;
    shared.names.ask(resolver.clone());
    // One for all listeners with the same network: upstreams are probed once.
    let mut stacks = Vec::new();
    let doors = settings.doors.iter().zip(&settings.departures);
    for (place, (door, departure)) in doors.enumerate() {
        let network = &door.network;
        let known = stacks.iter().find(|(same, _)| *same == network);
        let stack = match known {
            Some((_, stack)) => Clone::clone(stack),
            None => {
                let stack = layers.service(connector(Parts {
                    fixed,
                    limits,
                    resolver: &resolver,
                    names: &shared.names,
                    udp_ports: &shared.udp_ports,
                    bind_ports: &shared.bind_ports,
                    network,
                    departure,
                }));
                let stack = SharedStack::new(stack);
                stacks.push((network, Clone::clone(&stack)));
                stack
            }
        };
        let carried = udp_over_tcp::layer(door.udp_over_tcp);
        let stack = auth.service(carried.layer(stack));
        let stack = front.layer(door.protocols).layer(stack);
        loops.start(place, door, stack)?;
    }
    Ok(())
}
