//! Closing tunnels because somebody says so.

use std::fmt;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use tower_socks::layer::track::{OpenTunnel, OpenTunnels};

use crate::{
    fleet::{self, Others},
    status::{
        row,
        site::{Answer, Peer, json, text},
    },
};

/// What is to be closed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(in crate::status) enum Close {
    /// One tunnel.
    Id(u64),
    /// All tunnels of a user, as the page or the log writes the name.
    User(String),
    /// Those at all servers of the fleet.
    Everywhere(String),
}

/// What was closed.
#[derive(Debug, Serialize)]
struct Closed {
    closed: u64,
    /// By others of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<Others>,
}

/// Closes tunnels here, and elsewhere where that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Closer {
    open: OpenTunnels,
    fleet: fleet::InForce,
}

impl Closer {
    pub(crate) const fn new(open: OpenTunnels, fleet: fleet::InForce) -> Self {
        Self { open, fleet }
    }

    pub(in crate::status) async fn answer(&self, what: &Close, by: Peer) -> Answer {
        let closed = match what {
            Close::Id(id) => close(&self.open, &format!("tunnel {id}"), &by, |it| it.id == *id),
            Close::User(name) | Close::Everywhere(name) => close_user(&self.open, name, &by),
        };
        let others = match what {
            Close::Id(_) | Close::User(_) => None,
            Close::Everywhere(name) => {
                // Here they are closed by now, and who asks has to hear of that.
                match self.fleet.close_elsewhere(name, &by.to_string()).await {
                    Ok(others) => Some(others),
                    Err(problem) => {
                        tracing::warn!(target: "admin", %by, "others were not asked: {problem}");
                        let said =
                            format!("closed {closed} here, and others were not asked: {problem}\n");
                        return text(StatusCode::SERVICE_UNAVAILABLE, said);
                    }
                }
            }
        };
        let elsewhere = others.as_ref().map_or(0, |others| others.closed);
        if let Some(Others {
            answered, silent, ..
        }) = &others
        {
            let silent = silent.join(", ");
            tracing::info!(target: "admin", %by, elsewhere, answered, silent, "others have closed theirs");
        }
        json(&Closed {
            closed: closed.saturating_add(elsewhere),
            others,
        })
    }
}

/// Closes all tunnels of a user here, and says so in the log.
pub(crate) fn close_user(open: &OpenTunnels, name: &str, by: &dyn fmt::Display) -> u64 {
    let what = format!("tunnels of {}", name.escape_debug());
    close(open, &what, by, |tunnel| {
        row::user(&tunnel.identity) == *name || tunnel.identity.to_string() == *name
    })
}

fn close(
    open: &OpenTunnels,
    what: &str,
    by: &dyn fmt::Display,
    is_meant: impl Fn(&OpenTunnel) -> bool,
) -> u64 {
    // A user can have many: a line for each of the first, and the sum.
    const LINES: u64 = 20;
    let mut closed = 0;
    open.close_where(|tunnel| {
        let is_meant = is_meant(tunnel);
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
        closed += u64::from(is_meant);
        is_meant
    });
    tracing::info!(target: "admin", %by, closed, "asked to close {what}");
    closed
}
