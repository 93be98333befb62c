//! What servers of a fleet say of themselves to each other, and what the page shows of all of them.

use std::{collections::HashMap, time::Instant};

use serde::{Deserialize, Serialize};
use tower_socks::{layer::track::OpenTunnels, relay::Traffic};

use super::row;

/// Users that one server names, and that are shown of all.
const USERS: usize = 50;

/// The longest name that is taken from another server.
const LONGEST: usize = 300;

/// A server by now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Its name in Redis, as who reads it knows it.
    #[serde(default)]
    node: String,
    name: String,
    version: String,
    /// Where its page is, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// In seconds.
    uptime: u64,
    draining: bool,
    /// Open now, and opened since the start.
    open: u64,
    opened: u64,
    /// Octets from clients and from targets, since the start.
    up: u64,
    down: u64,
    /// Those with most traffic in open tunnels.
    users: Vec<User>,
}

/// The open tunnels of a user, and their octets.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct User {
    name: String,
    open: u64,
    up: u64,
    down: u64,
}

/// Of all servers together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Together {
    open: u64,
    opened: u64,
    up: u64,
    down: u64,
    users: Vec<User>,
}

impl Summary {
    /// Sums up this server.
    pub(crate) fn of(
        open: &OpenTunnels,
        started: Instant,
        draining: bool,
        (name, page): (&str, Option<&str>),
    ) -> Self {
        let totals = open.totals();
        let mut users: HashMap<String, (u64, Traffic)> = HashMap::new();
        for tunnel in open.list() {
            let (count, traffic) = users.entry(row::user(&tunnel.identity)).or_default();
            *count += 1;
            *traffic += tunnel.traffic;
        }
        let users = users.into_iter().map(|(name, (open, traffic))| User {
            name,
            open,
            up: traffic.up,
            down: traffic.down,
        });
        Self {
            node: String::new(),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            page: page.map(str::to_owned),
            uptime: started.elapsed().as_secs(),
            draining,
            open: u64::try_from(totals.open).unwrap_or(u64::MAX),
            opened: totals.opened,
            up: totals.traffic.up,
            down: totals.traffic.down,
            users: first(users.collect()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn into_name(self) -> String {
        self.name
    }

    /// As others read it.
    pub(crate) fn write(mut self, most: usize) -> String {
        loop {
            let text = serde_json::to_string(&self).unwrap_or_default();
            if text.len() <= most || self.users.is_empty() {
                return text;
            }
            // Names can be long.
            self.users.truncate(self.users.len() / 2);
        }
    }

    /// Reads what a node says, which may be of another version.
    pub(crate) fn read(node: &str, text: &str) -> Option<Self> {
        let mut summary: Self = serde_json::from_str(text).ok()?;
        summary.node = node.to_owned();
        let is_short = |text: &String| text.len() <= LONGEST;
        summary.users.truncate(USERS);
        summary.users.retain(|user| is_short(&user.name));
        summary.page = summary.page.filter(is_short);
        let is_known = is_short(&summary.name) && is_short(&summary.version);
        is_known.then_some(summary)
    }
}

impl Together {
    pub(super) fn of(nodes: &[Summary]) -> Self {
        let mut all = Self::default();
        let mut users: HashMap<&str, User> = HashMap::new();
        for node in nodes {
            all.open = all.open.saturating_add(node.open);
            all.opened = all.opened.saturating_add(node.opened);
            all.up = all.up.saturating_add(node.up);
            all.down = all.down.saturating_add(node.down);
            for user in &node.users {
                let sum = users.entry(&user.name).or_insert_with(|| User {
                    name: user.name.clone(),
                    open: 0,
                    up: 0,
                    down: 0,
                });
                sum.open = sum.open.saturating_add(user.open);
                sum.up = sum.up.saturating_add(user.up);
                sum.down = sum.down.saturating_add(user.down);
            }
        }
        all.users = first(users.into_values().collect());
        all
    }
}

/// Those with most octets, and of equals by their names.
fn first(mut users: Vec<User>) -> Vec<User> {
    let moved = |user: &User| user.up.saturating_add(user.down);
    users.sort_unstable_by(|one, another| {
        let order = moved(another).cmp(&moved(one));
        order.then_with(|| one.name.cmp(&another.name))
    });
    users.truncate(USERS);
    users
}
