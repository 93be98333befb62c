//! `upstream`, `[upstreams]` and `[[routes]]` of the file: where requests go, directly or through other proxies.

mod chain;
mod datagrams;
mod direct;
mod kinds;
mod plan;
mod probes;
mod routes;
mod services;
mod shown;
mod standings;
mod stated;

use tower_socks::connector::associate::Associate;

use crate::{limits::InForce, settings::Fixed};

pub(crate) use self::{
    datagrams::UpstreamUdp,
    direct::direct,
    plan::{File, Plan},
    routes::Route,
    services::by_plan,
    standings::Standings,
    stated::{Rest, Stated},
};

/// Executes UDP ASSOCIATE by these transports, within the limits of the file.
fn associate<S>(transports: S, fixed: &Fixed, limits: &InForce) -> Associate<S> {
    let Fixed { timeouts, .. } = fixed;
    Associate::with_transports(transports)
        .idle_timeout(timeouts.udp_idle.0)
        .limit(limits.associations())
        .backlog(fixed.limits.backlog_bytes_per_association.get())
        .rebind_after(timeouts.udp_rebind.limit())
}
