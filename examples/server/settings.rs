//! File and command line together, checked as a whole.

use std::{path::PathBuf, sync::Arc};

use tower_socks::{
    BoxError, Rules,
    relay::Relay,
    rules::{Rule, RulesBuilder},
    tls::rustls::ServerConfig,
};

use crate::{
    access_log::AccessLog,
    accounting,
    accounts::Accounts,
    certificates::Certificates,
    cli::Flags,
    config::Config,
    container,
    directories::Directories,
    htpasswd::UsersFile,
    limits::Limits,
    listen::{Bound, Door, TopLevel},
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
    upstream::{File, Plan, Route},
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
                limits,
                log,
                upgrade_socket,
                ..
            } = fixed;
            [
                (
                    "limits: quota_file and its days",
                    format!("{:?}", limits.fixed()),
                ),
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

impl Settings {
    /// Reads the file that the command line names, and checks everything. Nothing is listened on
    /// yet, if nothing is bound.
    pub(crate) fn load(flags: &Flags, bound: &Bound) -> Result<Self, BoxError> {
        let Config {
            listen,
            protocols,
            tls,
            proxy_protocol,
            udp_over_tcp,
            resolve,
            upgrade_socket,
            open,
            users,
            password_hashes: hashes,
            users_file,
            ldap,
            postgres,
            http_auth,
            radius,
            directories,
            acl,
            limits,
            logins,
            timeouts,
            replies,
            outgoing,
            udp,
            bind,
            mut resolver,
            relay,
            upstream,
            upstream_udp,
            upstreams,
            routes,
            search_domain,
            log,
            access_log,
            metrics,
            admin,
            pac,
        } = match &flags.config {
            Some(path) => Config::read(path, bound.is_known())?,
            None => Config::default(),
        };
        if let Some(admin) = &admin {
            admin.check(metrics.as_ref().is_some_and(Metrics::has_dashboard))?;
        }
        let routed: Vec<Rule> = routes.iter().map(Route::rule).cloned().collect();
        let upstream = Plan::new(
            File {
                upstream,
                upstream_udp,
                upstreams,
                routes,
            },
            &acl,
        )?;
        let has_secrets = !users.is_empty()
            || !hashes.is_empty()
            || ldap.as_ref().is_some_and(|table| table.has_secret())
            || postgres.as_ref().is_some_and(|table| table.has_secret())
            || http_auth.as_ref().is_some_and(|table| table.has_secret())
            || radius.as_ref().is_some_and(|table| table.has_secret())
            || upstream.has_password();
        let users = flags.with_users(users);
        let mut accounts = Accounts::new(users, hashes)?;
        let users_file = match users_file {
            Some(path) => {
                let (file, users) = UsersFile::read(&path)?;
                accounts = accounts.with_file(&users)?;
                Some(file)
            }
            None => None,
        };
        let ldap = ldap.map(|table| table.directory()).transpose()?;
        let postgres = postgres.map(|table| table.directory()).transpose()?;
        let http_auth = http_auth.map(|table| table.directory()).transpose()?;
        let accounting = radius
            .as_ref()
            .map(|table| table.accounting())
            .transpose()?;
        let radius = radius.map(|table| table.directory()).transpose()?;
        let stated = [ldap, postgres, http_auth, radius.flatten()]
            .into_iter()
            .flatten();
        let directories = Directories::new(stated, directories.as_deref())?;
        let accounts = accounts.with_directories(directories);
        let has_udp = upstream.has_udp();
        resolver.check()?;
        resolver.load()?;
        let network = Network {
            outgoing: outgoing.stated(),
            udp,
            bind: replies.with_bind_address(bind)?,
        };
        let top = flags.top_level(TopLevel {
            protocols,
            tls,
            proxy_protocol,
            udp_over_tcp: udp_over_tcp.unwrap_or(has_udp),
            network: network.clone(),
        });
        let doors = bound.stated(&flags.listen(listen), &top)?;
        check_udp(has_udp, &doors)?;
        acl.check_time_zone()?;
        log.check()?;
        access_log.as_ref().map_or(Ok(()), AccessLog::check)?;
        let resolve = resolve || flags.resolve;
        if resolve {
            upstream.check_lookups()?;
        }
        let is_open = open || flags.open;
        let serving = bound.listening(&doors);
        check_open(is_open, &accounts, &serving)?;
        check_passwords(&accounts, &serving)?;
        let tls = serving.iter().map(Door::load_tls);
        let tls = tls.collect::<Result<Vec<_>, _>>()?;
        let mut certificates = upstream.certificates();
        certificates.add_all(&resolver.certificates());
        for expires in accounts.directories().certificates() {
            certificates.add_all(expires);
        }
        let tls = tls.into_iter().map(|loaded| {
            let (tls, expires) = loaded?;
            certificates.add_all(&expires);
            Some(tls)
        });
        let tls = tls.collect();
        // The dashboard is nothing to reach through the proxy: neither where it is, which a file cannot
        // change, nor where it would be.
        let stated = metrics.as_ref().map(|metrics| metrics.listen);
        let listening = serving.iter().filter_map(|door| door.place.address());
        let rules = outgoing.rules();
        let departures = serving.iter();
        let departures = departures.map(|door| rules.over(&door.network.outgoing, &acl));
        let departures = departures.collect();
        let leaves = rules.check(&network.outgoing, &serving);
        let leaves = leaves.and_then(|()| upstream.check_outgoing(&network.outgoing));
        let scripts_at = pac.as_ref().and_then(|pac| pac.listen);
        let own = listening
            .chain(bound.status)
            .chain(stated)
            .chain(scripts_at);
        let script = pac
            .as_ref()
            .map(|pac| pac.script(metrics.is_some(), &serving, !accounts.is_empty(), &acl));
        let script = script.transpose()?;
        let mut unreachable = said("acl", &acl);
        if !routed.is_empty() {
            let routes = said("routes", &acl.clone().with_rules(routed).allow_private());
            let routes = routes.iter().map(|said| said.replace("rule ", "route "));
            unreachable.extend(routes);
        }
        let limits = limits.with_groups(&acl);
        let acl = own.fold(acl, RulesBuilder::listening_on);
        let acl = if flags.allow_private {
            acl.allow_private()
        } else {
            acl
        };
        Ok(Self {
            accounts,
            users_file,
            rules: acl.build(),
            is_open,
            has_secrets,
            doors: serving,
            departures,
            leaves,
            tls,
            unreachable,
            fixed: Fixed {
                doors,
                limits,
                logins,
                timeouts,
                replies,
                network,
                outgoing_rules: rules.len(),
                resolver,
                relay,
                resolve,
                upgrade_socket,
                upstream,
                certificates,
                search_domain,
                log,
                access_log,
                metrics,
                admin,
                pac,
                script: script.map(Into::into),
                accounting: accounting.flatten(),
            },
        })
    }
}

/// What is never reached of a list of rules.
fn said(list: &str, rules: &RulesBuilder) -> Vec<String> {
    let unreachable = rules.unreachable();
    let unreachable = unreachable.iter();
    unreachable.map(|it| format!("{list}, {it}")).collect()
}

/// Checks that where datagrams are carried in streams, datagrams are served at all.
fn check_udp(has_udp: bool, doors: &[Door]) -> Result<(), String> {
    match doors.iter().find(|door| door.udp_over_tcp) {
        Some(door) if !has_udp => Err(format!(
            "listener at {door}, udp_over_tcp: there is no UDP through the upstream, unless `upstream_udp`, or `udp` in [upstreams], says how; \
             or leave it out"
        )),
        _ => Ok(()),
    }
}

/// Checks that where there are users, each listener takes a protocol in which they can say who they are.
fn check_passwords(accounts: &Accounts, doors: &[Door]) -> Result<(), String> {
    match doors.iter().find(|door| door.has_no_passwords()) {
        Some(door) if !accounts.is_empty() => Err(format!(
            "nobody gets in at {door}: there are users, and SOCKS4, which alone is taken there, has no passwords; \
             take socks5 or http as well"
        )),
        _ => Ok(()),
    }
}

/// Checks that a listener that others reach has users, or is open on purpose.
fn check_open(is_open: bool, accounts: &Accounts, doors: &[Door]) -> Result<(), String> {
    let exposed = doors.iter().find(|door| door.is_exposed());
    match exposed {
        Some(door) if accounts.is_empty() && !is_open => Err(format!(
            "anyone could use a proxy on {door}: add --user NAME:PASSWORD, or users to the file of \
             --config, or --open (in the file: open = true) if that is meant{}",
            container::how_to_add_users()
        )),
        _ => Ok(()),
    }
}
