//! Open tunnels, as the dashboard asks for them.

use serde::Serialize;
use tower_socks::layer::track::{OpenTunnel, OpenTunnels};

use crate::udp_over_tcp;

/// Tunnels that the page gets: more than people look at.
const MOST: usize = 200;

#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    /// Open now, and opened since the start.
    open: usize,
    opened: u64,
    /// Bytes from clients and from targets, since the start.
    up: u64,
    down: u64,
    /// The newest ones.
    tunnels: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: u64,
    client: String,
    user: String,
    protocol: &'static str,
    command: String,
    target: String,
    seconds: u64,
    up: u64,
    down: u64,
}

impl Snapshot {
    pub(super) fn of(tunnels: &OpenTunnels) -> Self {
        let totals = tunnels.totals();
        let newest = tunnels.list().into_iter().rev().take(MOST);
        Self {
            open: totals.open,
            opened: totals.opened,
            up: totals.traffic.up,
            down: totals.traffic.down,
            tunnels: newest.map(Row::of).collect(),
        }
    }
}

impl Row {
    fn of(tunnel: OpenTunnel) -> Self {
        Self {
            id: tunnel.id,
            client: tunnel.client.to_string(),
            user: tunnel.identity.to_string(),
            protocol: tunnel.protocol.name(),
            command: udp_over_tcp::command(&tunnel),
            target: tunnel.target.to_string(),
            seconds: tunnel.age.as_secs(),
            up: tunnel.traffic.up,
            down: tunnel.traffic.down,
        }
    }
}
