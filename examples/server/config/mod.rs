//! The configuration file: users and rules, checked as a whole before anything of it is used.

mod mistakes;
mod reading;
mod suggestion;
mod text;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tower_socks::{
    Users,
    rules::{Action, RulesBuilder},
};

use self::mistakes::{Mistake, Mistakes, find};
use crate::{
    access_log::AccessLog,
    accounts::Accounts,
    bind::BindTable,
    directories::{http_auth, ldap, postgres, radius},
    fleet,
    hashes::Hashes,
    limits::Limits,
    listen::{Listen, Listener, Protocols, ProxyProtocol, Tls},
    log::LogSettings,
    logins::Logins,
    outgoing::OutgoingTable,
    relay::RelayTable,
    replies::Replies,
    resolver::ResolverTable,
    search::Domain,
    status::{Admin, Metrics, Pac},
    tickets,
    timeouts::Timeouts,
    udp::Udp,
    upstream::{Rest, Route, Stated, UpstreamUdp},
};

/// What a file says. `server.toml` beside the examples explains every field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Unless the command line says where.
    pub(crate) listen: Option<Listen>,
    /// What clients speak, at listeners that do not say otherwise; the next three as well.
    #[serde(default)]
    pub(crate) protocols: Protocols,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// Datagrams may be carried in the streams of clients, where UDP is served at all.
    pub(crate) udp_over_tcp: Option<bool>,
    /// Names are looked up for clients.
    #[serde(default)]
    pub(crate) resolve: bool,
    /// Where another process asks for the sockets, to take over.
    pub(crate) upgrade_socket: Option<PathBuf>,
    /// Clients need no authentication where there are no users, on any address.
    #[serde(default)]
    pub(crate) open: bool,
    /// Names and passwords.
    #[serde(default)]
    pub(crate) users: Users,
    /// Names and hashes of passwords.
    #[serde(default)]
    pub(crate) password_hashes: Hashes,
    /// More of them, in a file of their own.
    pub(crate) users_file: Option<PathBuf>,
    /// Users of a directory.
    pub(crate) ldap: Option<ldap::Table>,
    /// Users of a database.
    pub(crate) postgres: Option<postgres::Table>,
    /// Users whom a service of HTTP knows.
    pub(crate) http_auth: Option<http_auth::Table>,
    /// Users of RADIUS, and accounting.
    pub(crate) radius: Option<radius::Table>,
    /// Users who have tickets of Kerberos.
    pub(crate) gssapi: Option<tickets::Table>,
    /// The order in which they are asked, by the names of their tables.
    pub(crate) directories: Option<Vec<String>>,
    /// The rules, without what the command line adds.
    #[serde(default = "public")]
    pub(crate) acl: RulesBuilder,
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Where limits are shared with other servers.
    pub(crate) redis: Option<fleet::Table>,
    #[serde(default)]
    pub(crate) logins: Logins,
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
    #[serde(default)]
    pub(crate) replies: Replies,
    /// From where clients leave, and where others reach them: listeners can say otherwise.
    #[serde(default)]
    pub(crate) outgoing: OutgoingTable,
    #[serde(default)]
    pub(crate) udp: Udp,
    #[serde(default)]
    pub(crate) bind: BindTable,
    #[serde(default)]
    pub(crate) resolver: ResolverTable,
    #[serde(default)]
    pub(crate) relay: RelayTable,
    /// Direct, if there is none.
    pub(crate) upstream: Option<Rest>,
    /// How datagrams go through it.
    pub(crate) upstream_udp: Option<UpstreamUdp>,
    /// Those that have names.
    #[serde(default)]
    pub(crate) upstreams: BTreeMap<String, Stated>,
    /// What does not go where all else goes.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// No name is completed, if there is none.
    pub(crate) search_domain: Option<Domain>,
    #[serde(default)]
    pub(crate) log: LogSettings,
    /// Nowhere, if there is none.
    pub(crate) access_log: Option<AccessLog>,
    /// Nowhere, if there is none.
    pub(crate) metrics: Option<Metrics>,
    /// Nobody closes tunnels, if there is none.
    pub(crate) admin: Option<Admin>,
    /// No script for browsers, if there is none.
    pub(crate) pac: Option<Pac>,
}

/// Everything but special-purpose addresses.
fn public() -> RulesBuilder {
    tower_socks::Rules::builder(Action::Allow)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            protocols: Protocols::default(),
            tls: None,
            proxy_protocol: None,
            udp_over_tcp: None,
            resolve: false,
            upgrade_socket: None,
            open: false,
            users: Users::default(),
            password_hashes: Hashes::default(),
            users_file: None,
            ldap: None,
            postgres: None,
            http_auth: None,
            radius: None,
            gssapi: None,
            directories: None,
            acl: public(),
            limits: Limits::default(),
            redis: None,
            logins: Logins::default(),
            timeouts: Timeouts::default(),
            replies: Replies::default(),
            outgoing: OutgoingTable::default(),
            udp: Udp::default(),
            bind: BindTable::default(),
            resolver: ResolverTable::default(),
            relay: RelayTable::default(),
            upstream: None,
            upstream_udp: None,
            upstreams: BTreeMap::new(),
            routes: Vec::new(),
            search_domain: None,
            log: LogSettings::default(),
            access_log: None,
            metrics: None,
            admin: None,
            pac: None,
        }
    }
}

impl Config {
    /// Reads a file, and looks for mistakes that only the whole of it shows. What is read `again` has to be a file: a pipe
    /// would be empty by then, and an empty file asks nobody for a password.
    ///
    /// # Errors
    ///
    /// All mistakes that were found.
    pub(crate) fn read(path: &Path, again: bool) -> Result<Self, Mistakes> {
        let text = text::read(path, again);
        let text = text.map_err(|problem| Mistakes::of_file(path, &problem))?;
        Self::parse(&text).map_err(|found| Mistakes::new(path, &text, found))
    }

    /// Reads a file that has mistakes without them, if that can be.
    pub(crate) fn rest(path: &Path) -> Option<Self> {
        let (rest, _) = reading::read(&text::read(path, true).ok()?);
        rest
    }

    /// Collects all users.
    fn accounts(&self) -> Result<Accounts, String> {
        Accounts::new(self.users.clone(), self.password_hashes.clone())
    }

    /// Whether a certificate can say who a client is.
    fn has_certified_names(&self) -> bool {
        let listeners = self.listen.iter().flat_map(|listen| &listen.0);
        let own = listeners.filter_map(Listener::own_tls);
        own.chain(&self.tls).any(Tls::identifies)
    }

    /// Whether others know users: directories, or a KDC.
    fn has_directories(&self) -> bool {
        self.gssapi.is_some()
            || self.http_auth.is_some()
            || self.ldap.is_some()
            || self.postgres.is_some()
            || self
                .redis
                .as_ref()
                .is_some_and(|table| table.is_directory())
            || self
                .radius
                .as_ref()
                .is_some_and(|table| table.is_directory())
    }

    /// The same of the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let (config, mut mistakes) = reading::read(text);
        match config {
            Some(config) if mistakes.is_empty() => {
                mistakes = config.mistakes(text);
                match mistakes.is_empty() {
                    true => Ok(config),
                    false => Err(mistakes),
                }
            }
            _ => Err(mistakes),
        }
    }

    /// What only the whole of it shows.
    fn mistakes(&self, text: &str) -> Vec<Mistake> {
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(problem) => return vec![(None, problem)],
        };
        // Directories know users and groups that the file does not. The authorities of certificates know names that the file does
        // not, and so does a file of users, which changes by itself: a user who has left it must not keep the server from
        // starting.
        let has_directories = self.has_directories();
        let is_closed_list = !accounts.is_empty()
            && !has_directories
            && !self.has_certified_names()
            && self.users_file.is_none();
        let known = |user: &str| !is_closed_list || accounts.contains(user.as_bytes());
        let mut mistakes = Vec::new();
        let limits = self.limits.check(&self.acl, known, has_directories);
        mistakes.extend(limits.err().map(|problem| (None, problem)));
        if has_directories {
            return mistakes;
        }
        if let Err(problem) = self.acl.check_names(known) {
            mistakes.push((find(text, problem.location()), format!("acl, {problem}")));
        }
        if !self.routes.is_empty() {
            let rules = self.routes.iter().map(Route::rule).cloned();
            let routes = self.acl.clone().with_rules(rules);
            let names = routes.check_names(known).map_err(|it| it.to_string());
            let zone = routes.check_time_zone().map_err(|it| it.to_string());
            let problem = names.and(zone).err();
            mistakes.extend(problem.map(|problem| {
                let problem = problem.replacen("rule ", "route ", 1);
                (None, format!("routes, {problem}"))
            }));
        }
        let rules = self.outgoing.rules();
        let outgoing = rules.check_names(&self.acl, known);
        let outgoing = outgoing.and_then(|()| rules.check_time_zone(&self.acl));
        mistakes.extend(outgoing.err().map(|problem| (None, problem)));
        mistakes
    }
}
