//! An open tunnel as the page shows it. What it tells of clients, users and targets is made here and nowhere else.

use std::{cmp::Ordering, fmt::Write};

use serde::Serialize;
use tower_socks::{Identity, layer::track::OpenTunnel, proto::Address};

use super::listing::Listed;
use crate::udp_over_tcp;

#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: u64,
    client: String,
    user: String,
    protocol: &'static str,
    command: String,
    target: String,
    /// The address that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<String>,
    seconds: u64,
    up: u64,
    down: u64,
    /// Octets a second by now, where that is known.
    up_rate: Option<u64>,
    down_rate: Option<u64>,
}

impl Row {
    pub(super) fn of(listed: &Listed) -> Self {
        let tunnel = &listed.tunnel;
        let reached = tunnel.reached.map(|address| address.to_string());
        let target = target(&tunnel.target);
        Self {
            id: tunnel.id,
            client: tunnel.client.to_string(),
            user: user(&tunnel.identity),
            protocol: tunnel.protocol.name(),
            command: udp_over_tcp::command(tunnel),
            reached: reached.filter(|reached| *reached != target),
            target,
            seconds: tunnel.age.as_secs(),
            up: tunnel.traffic.up,
            down: tunnel.traffic.down,
            up_rate: listed.rate.map(|rate| rate.up),
            down_rate: listed.rate.map(|rate| rate.down),
        }
    }
}

/// A user, as a line.
pub(super) fn user(identity: &Identity) -> String {
    identity.to_string()
}

/// A target with its port.
pub(super) fn target(target: &Address) -> String {
    target.to_string()
}

/// A target without its port, for sums.
pub(super) fn host(target: &Address) -> String {
    match target {
        Address::Ip(address) => address.ip().to_string(),
        Address::Name(name, _) => name.to_string(),
    }
}

/// Writes what a search looks at.
pub(super) fn searched(text: &mut String, tunnel: &OpenTunnel) {
    text.clear();
    // Writing to a string never fails.
    _ = write!(
        text,
        "{}\n{}\n{}\n{}\n{}",
        tunnel.client,
        user(&tunnel.identity),
        tunnel.protocol.name(),
        udp_over_tcp::command(tunnel),
        target(&tunnel.target),
    );
    if let Some(reached) = tunnel.reached {
        _ = write!(text, "\n{reached}");
    }
    text.make_ascii_lowercase();
}

/// Sorts names before addresses.
pub(super) fn compare_targets(one: &Address, another: &Address) -> Ordering {
    match (one, another) {
        (Address::Name(a, a_port), Address::Name(b, b_port)) => (a, a_port).cmp(&(b, b_port)),
        (Address::Ip(a), Address::Ip(b)) => a.cmp(b),
        (Address::Name(..), Address::Ip(_)) => Ordering::Less,
        (Address::Ip(_), Address::Name(..)) => Ordering::Greater,
    }
}
