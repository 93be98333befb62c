use std::net::IpAddr;

use super::DnsMode;
use crate::{connector::resolve::Lookup, error::BoxError};

/// Resolves names to their IPv4 addresses, for a proxy that can be told no others. Of a name that has none, the
/// others are left, for the error that says so.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4Only<N>(pub(super) N);

impl<N: DnsMode> DnsMode for Ipv4Only<N> {
    const REMOTE: bool = N::REMOTE;

    async fn addresses(self, lookup: Lookup) -> Result<Vec<IpAddr>, BoxError> {
        let all = self.0.addresses(lookup).await?;
        let is_v4 = |ip: &IpAddr| ip.to_canonical().is_ipv4();
        Ok(match all.iter().any(is_v4) {
            true => all.into_iter().filter(is_v4).collect(),
            false => all,
        })
    }
}
