//! File and command line together, checked as a whole.

mod checks;
mod load;
mod others;

use std::{path::PathBuf, sync::Arc};

use tower_socks::{Rules, relay::Relay, tls::rustls::ServerConfig};

use crate::{
    access_log::AccessLog,
    accounting,
    accounts::Accounts,
    certificates::Certificates,
    fleet,
    htpasswd::UsersFile,
    limits::Limits,
    listen::Door,
    log::LogSettings,
    logins::Logins,
    network::Network,
    outgoing::Choice,
    relay::RelayTable,
    replies::Replies,
    resolver::ResolverTable,
    search::Domain,
    status::{Admin, Metrics, Pac},
    timeouts::Timeouts,
    upstream::Plan,
};

/// Users and rules that have passed all checks.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) accounts: Accounts,
    /// Where some of them are from.
    pub(crate) users_file: Option<UsersFile>,
    pub(crate) rules: Rules,
    /// Nobody has to authenticate, if there are no users: somebody has said so.
    pub(crate) is_open: bool,
    /// Whether the file has passwords or hashes of them.
    pub(crate) has_secrets: bool,
    /// The doors where they listen, if they do by now.
    pub(crate) doors: Vec<Door>,
    /// From where their clients leave, in their order.
    pub(crate) departures: Vec<Choice>,
    /// Whether this machine has all addresses and interfaces that they are to leave by.
    pub(crate) leaves: Result<(), String>,
    /// The certificates of each, in their order.
    pub(crate) tls: Vec<Option<Arc<ServerConfig>>>,
    /// Rules and routes that never decide, for people.
    pub(crate) unreachable: Vec<String>,
    pub(crate) fixed: Fixed,
}

/// Settings by which the stack is built: a reload builds it anew.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// The doors as they are stated.
    pub(crate) doors: Vec<Door>,
    pub(crate) limits: Limits,
    /// Limits are those of this server alone, if there is none.
    pub(crate) fleet: Option<fleet::Stated>,
    pub(crate) logins: Logins,
    pub(crate) timeouts: Timeouts,
    pub(crate) replies: Replies,
    /// What listeners have that do not say otherwise.
    pub(crate) network: Network,
    pub(crate) outgoing_rules: usize,
    pub(crate) resolver: ResolverTable,
    pub(crate) relay: RelayTable,
    pub(crate) resolve: bool,
    /// Where another process asks for the sockets.
    pub(crate) upgrade_socket: Option<PathBuf>,
    pub(crate) upstream: Plan,
    /// When they expire.
    pub(crate) certificates: Certificates,
    pub(crate) search_domain: Option<Domain>,
    pub(crate) log: LogSettings,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) admin: Option<Admin>,
    pub(crate) pac: Option<Pac>,
    /// What browsers get.
    pub(crate) script: Option<Arc<str>>,
    /// Nobody hears of tunnels, if there is none.
    pub(crate) accounting: Option<accounting::Stated>,
}

impl Fixed {
    /// How the bytes of tunnels are moved, within which limits.
    pub(crate) fn relay(&self) -> Relay {
        self.timeouts.relay().splice(self.relay.splice)
    }

    /// Names what has changed and takes a restart.
    pub(crate) fn needs_restart(&self, before: &Self) -> Vec<&'static str> {
        // None of these has a secret.
        let fields = |fixed: &Self| {
            let Self {
                log,
                upgrade_socket,
                ..
            } = fixed;
            [
                // Spans of open sessions have their fields written in one format.
                ("format of log", format!("{:?}", log.format)),
                ("upgrade_socket", format!("{upgrade_socket:?}")),
            ]
        };
        let pairs = fields(self).into_iter().zip(fields(before));
        let changed = pairs.filter(|(now, before)| now != before);
        changed.map(|((name, _), _)| name).collect()
    }
}
