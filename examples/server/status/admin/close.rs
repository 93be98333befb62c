//! Closing tunnels because somebody says so.

use serde::{Deserialize, Serialize};
use tower_socks::layer::track::OpenTunnels;

use crate::status::{row, site::Peer};

/// What is to be closed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(in crate::status) enum Close {
    /// One tunnel.
    Id(u64),
    /// All tunnels of a user, as the page or the log writes the name.
    User(String),
}

/// What was closed.
#[derive(Debug, Serialize)]
pub(in crate::status) struct Closed {
    closed: usize,
}

/// Closes tunnels, and says so in the log.
pub(in crate::status) fn close(open: &OpenTunnels, what: &Close, by: Peer) -> Closed {
    // A user can have many: a line for each of the first, and the sum.
    const LINES: usize = 20;
    let mut closed = 0;
    open.close_where(|tunnel| {
        let is_meant = match what {
            Close::Id(id) => tunnel.id == *id,
            Close::User(name) => {
                let is_shown = row::user(&tunnel.identity) == *name;
                is_shown || tunnel.identity.to_string() == *name
            }
        };
        if is_meant && closed < LINES {
            tracing::info!(
                target: "admin",
                id = tunnel.id,
                client = %tunnel.client,
                user = row::user(&tunnel.identity),
                target = row::target(&tunnel.target),
                %by,
                "closing a tunnel"
            );
        }
        closed += usize::from(is_meant);
        is_meant
    });
    let what = match what {
        Close::Id(id) => format!("tunnel {id}"),
        Close::User(name) => format!("tunnels of {}", name.escape_debug()),
    };
    tracing::info!(target: "admin", %by, closed, "asked to close {what}");
    Closed { closed }
}
