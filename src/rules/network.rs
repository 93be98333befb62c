use ipnet::IpNet;

use super::error::InvalidCondition;
use crate::proto::InvalidNetwork;
pub use crate::proto::Network;

/// Returns the network as the index keeps it.
pub(super) fn ip_net(network: Network) -> IpNet {
    // Its prefix fits its family.
    IpNet::new(network.first(), network.prefix_len()).unwrap_or_else(|_| network.first().into())
}

impl From<InvalidNetwork> for InvalidCondition {
    fn from(invalid: InvalidNetwork) -> Self {
        Self::new(invalid)
    }
}
