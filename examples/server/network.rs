//! What the clients of a listener have of the network: from where they leave, and where others reach them.

use std::fmt;

use serde::Deserialize;

use crate::{bind::BindTable, outgoing::Stated, udp::Udp};

/// What is stated of it, at the top level or of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) outgoing: Stated,
    pub(crate) udp: Udp,
    pub(crate) bind: BindTable,
}

/// What a listener states for itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct OwnNetwork {
    pub(crate) outgoing: Option<Stated>,
    pub(crate) udp: Option<Udp>,
    pub(crate) bind: Option<BindTable>,
}

impl OwnNetwork {
    /// With what `top` says of the rest.
    pub(crate) fn over(&self, top: &Network) -> Network {
        Network {
            outgoing: match &self.outgoing {
                Some(own) => own.over(&top.outgoing),
                None => top.outgoing.clone(),
            },
            udp: match &self.udp {
                Some(own) => own.over(&top.udp),
                None => top.udp.clone(),
            },
            bind: match &self.bind {
                Some(own) => own.over(&top.bind),
                None => top.bind.clone(),
            },
        }
    }
}

impl Network {
    /// Says where there are fewer ports than one user may have.
    pub(crate) fn too_few_ports(&self, associations: usize, binds: usize) -> Option<String> {
        let tables = [
            ("udp", self.udp.ports, associations, "associations_per_user"),
            ("bind", self.bind.ports, binds, "binds_per_user"),
        ];
        let mut tables = tables.into_iter();
        tables.find_map(|(table, ports, limit, field)| {
            let ports = ports.filter(|ports| ports.len() < limit)?;
            Some(format!(
                "{table}, ports: {ports} are {} for all clients, and {field} of [limits] lets one have {limit}: take \
                 more ports, or a smaller limit",
                ports.len()
            ))
        })
    }
}

/// For people, a line for each.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "out {}; UDP {}; BIND {}",
            self.outgoing, self.udp, self.bind
        )
    }
}
