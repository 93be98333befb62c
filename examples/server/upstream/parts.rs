//! What connectors are made of, for the listeners that have one network.

use tower_socks::connector::{associate::Associate, bind::Bind};

use crate::{
    limits::InForce, names::Names, network::Network, outgoing::Choice, ports::TakenPorts,
    resolver::Resolver, settings::Fixed,
};

/// What connectors are made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) fixed: &'a Fixed,
    pub(crate) limits: &'a InForce,
    pub(crate) resolver: &'a Resolver,
    pub(crate) names: &'a Names,
    pub(crate) udp_ports: &'a TakenPorts,
    pub(crate) bind_ports: &'a TakenPorts,
    pub(crate) network: &'a Network,
    pub(crate) departure: &'a Choice,
}

impl Parts<'_> {
    /// Executes UDP ASSOCIATE by these transports, within the limits of the file.
    pub(super) fn associate<S>(&self, transports: S) -> Associate<S> {
        let Self { fixed, limits, .. } = self;
        let associate = Associate::with_transports(transports)
            .idle_timeout(fixed.timeouts.udp_idle.0)
            .limit(limits.associations())
            .backlog(fixed.limits.backlog_bytes_per_association.get())
            .rebind_after(fixed.timeouts.udp_rebind.limit());
        self.network.udp.associate(associate, self.udp_ports)
    }

    pub(super) fn bind(&self) -> Bind {
        self.network.bind.bind(Bind::new(), self.bind_ports)
    }
}
