//! The configuration file: users and rules, checked as a whole before anything of it is used.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_path_to_error::Segment;
use tower_socks::{
    Users,
    rules::{Action, RulesBuilder},
};

use crate::{
    access_log::AccessLog,
    accounts::Accounts,
    bind::BindTable,
    directories::{ldap, postgres, radius},
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
    /// Users of RADIUS, and accounting.
    pub(crate) radius: Option<radius::Table>,
    /// The order in which they are asked, by the names of their tables.
    pub(crate) directories: Option<Vec<String>>,
    /// The rules, without what the command line adds.
    #[serde(default = "public")]
    pub(crate) acl: RulesBuilder,
    #[serde(default)]
    pub(crate) limits: Limits,
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
            radius: None,
            directories: None,
            acl: public(),
            limits: Limits::default(),
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
    /// Reads a file, and looks for mistakes that only the whole of it shows.
    pub(crate) fn read(path: &Path) -> Result<Self, Mistake> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Mistake {
            place: file.clone(),
            problem: error.to_string(),
        })?;
        Self::parse(&text).map_err(|(span, problem)| Mistake {
            place: match span {
                Some(span) => format!("{file}:{}", position(&text, span)),
                None => file,
            },
            problem,
        })
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

    fn has_directories(&self) -> bool {
        self.ldap.is_some()
            || self.postgres.is_some()
            || self
                .radius
                .as_ref()
                .is_some_and(|table| table.is_directory())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, (Option<Range<usize>>, String)> {
        // `Display` of these errors shows the line, which may hold a password: the message alone
        // does not.
        let fail = |error: &toml::de::Error| (error.span(), error.message().to_owned());
        let deserializer = toml::Deserializer::parse(text).map_err(|error| fail(&error))?;
        let config: Self = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let (span, message) = fail(error.inner());
            (span, format!("{}{message}", Place(error.path())))
        })?;
        let accounts = config.accounts().map_err(|problem| (None, problem))?;
        // Directories know users and groups that the file does not.
        if config.has_directories() {
            config
                .limits
                .check(&config.acl, |_| true, true)
                .map_err(|problem| (None, problem))?;
            return Ok(config);
        }
        // The authorities of certificates know names that the file does not, and so does a file of users, which changes by
        // itself: a user who has left it must not keep the server from starting.
        let is_closed_list =
            !accounts.is_empty() && !config.has_certified_names() && config.users_file.is_none();
        let known = |user: &str| !is_closed_list || accounts.contains(user.as_bytes());
        if let Err(problem) = config.acl.check_names(known) {
            return Err((find(text, problem.location()), format!("acl, {problem}")));
        }
        config
            .limits
            .check(&config.acl, known, false)
            .map_err(|problem| (None, problem))?;
        if !config.routes.is_empty() {
            let rules = config.routes.iter().map(Route::rule).cloned();
            let routes = config.acl.clone().with_rules(rules);
            let checked = routes
                .check_names(known)
                .map_err(|problem| problem.to_string());
            let checked = checked.and_then(|()| {
                routes
                    .check_time_zone()
                    .map_err(|problem| problem.to_string())
            });
            if let Err(problem) = checked {
                return Err((
                    None,
                    format!("routes, {}", problem.replacen("rule ", "route ", 1)),
                ));
            }
        }
        let rules = config.outgoing.rules();
        let checked = rules.check_names(&config.acl, known);
        checked.map_err(|problem| (None, problem))?;
        Ok(config)
    }
}

/// A mistake in a file, and where it is.
#[derive(Debug)]
pub(crate) struct Mistake {
    place: String,
    problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for Mistake {}

/// `acl, rule 2, to: `, with rules counted as the log counts them.
struct Place<'a>(&'a serde_path_to_error::Path);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<&Segment> = self.0.iter().collect();
        let texts = segments
            .iter()
            .enumerate()
            .filter_map(|(at, segment)| match segment {
                // A rule says all, and so does a listener: the list is left out.
                Segment::Map { key } if one_of(key).is_some() && at + 1 < segments.len() => None,
                Segment::Map { key } => Some(key.clone()),
                Segment::Seq { index } => {
                    let list = match segments.get(at.wrapping_sub(1)) {
                        Some(Segment::Map { key }) => one_of(key),
                        _ => None,
                    };
                    Some(format!("{} {}", list.unwrap_or("value"), index + 1))
                }
                Segment::Enum { .. } | Segment::Unknown => None,
            });
        let texts: Vec<String> = texts.collect();
        if texts.is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", texts.join(", "))
    }
}

/// What an entry of a list is called.
fn one_of(list: &str) -> Option<&'static str> {
    match list {
        "rules" => Some("rule"),
        "listen" => Some("listener"),
        "routes" => Some("route"),
        _ => None,
    }
}

/// `LINE:COLUMN`, both from 1.
fn position(text: &str, span: Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.chars().rev().take_while(|c| *c != '\n').count();
    format!("{line}:{column}")
}

/// Where a value of `[acl]` stands.
fn find(text: &str, location: &[String]) -> Option<Range<usize>> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let mut value = root.get_ref().get("acl")?;
    for step in location {
        value = match value.get_ref() {
            toml::de::DeValue::Table(table) => table.get(step.as_str())?,
            toml::de::DeValue::Array(values) => values.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value.span())
}
