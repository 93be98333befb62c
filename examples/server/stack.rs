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
    auth::ReloadableAuth, serving::AcceptLoops, settings::Settings, shared::Shared, udp_over_tcp,
    upstream,
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
    let (limits, names) = (&shared.limits, &shared.names);
    let system = shared.system.clone();
    if fixed.upstream.is_direct() {
        // Those that there were are forgotten.
        shared.upstreams.take_over(&fixed.upstream);
        let connector = upstream::direct(fixed, limits, system, names);
        start_over(connector, settings, shared, loops)
    } else {
        let connector = upstream::by_plan(fixed, limits, system, names, &shared.upstreams);
        start_over(connector, settings, shared, loops)
    }
}

fn start_over<C, T>(
    connector: C,
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
        .layer(shared.failed.clone())
        .layer(AuthLayer::new(ReloadableAuth::new(
            shared.accounts(),
            &fixed.logins,
            &shared.remembered,
        )));
    let limits = &shared.limits;
    let stack = ServiceBuilder::new()
        .layer(shared.records.requests())
        .timeout(fixed.timeouts.dial.0)
        .option_layer(fixed.search_domain.as_ref().map(|domain| domain.layer()))
        .layer(RequestMetricsLayer::new())
        .layer(shared.open.layer())
        .layer(RecheckLayer::new(shared.policy()))
        .layer(AclLayer::new(shared.policy()))
        .map_request(limits.find())
        .layer(LimitLayer::new(limits.requests()))
        .layer(LimitLayer::new(limits.tunnels()))
        .layer(MeterLayer::new(limits.bandwidth()))
        .layer(MeterLayer::new(limits.quota()))
        .service(connector);
    let front = fixed.replies.front(&fixed.timeouts, &shared.http);
    for (place, door) in settings.doors.iter().enumerate() {
        let carried = udp_over_tcp::layer(door.udp_over_tcp);
        let stack = auth.service(carried.layer(stack.clone()));
        let stack = front.layer(door.protocols).layer(stack);
        loops.start(place, door, stack)?;
    }
    Ok(())
}
