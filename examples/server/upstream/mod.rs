//! `upstream`, `[upstreams]` and `[[routes]]` of the file: where requests go, directly or through other proxies.

mod chain;
mod datagrams;
mod direct;
mod kinds;
mod node;
mod parts;
mod plan;
mod probes;
mod routes;
mod services;
mod shown;
mod standings;
mod stated;

pub(crate) use self::{
    datagrams::UpstreamUdp,
    direct::direct,
    parts::Parts,
    plan::{File, Plan},
    routes::Route,
    services::by_plan,
    standings::Standings,
    stated::{Rest, Stated},
};
