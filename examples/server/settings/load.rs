//! From the file and the command line to settings.

use tower_socks::{
    BoxError,
    rules::{Rule, RulesBuilder},
};

use super::{
    Fixed, Settings,
    checks::{check_open, check_passwords, check_udp},
    others,
};
use crate::{
    access_log::AccessLog,
    accounts::Accounts,
    cli::Flags,
    config::Config,
    directories::Directories,
    htpasswd::UsersFile,
    listen::{Bound, Door, TopLevel},
    network::Network,
    status::Metrics,
    upstream::{File, Plan, Route},
};

impl Settings {
    /// Reads the file that the command line names, and checks everything. Nothing is listened on
    /// yet, if nothing is bound. The users' file is read if it is another one than `before`.
    ///
    /// # Errors
    ///
    /// All mistakes that were found, a line each: those of the file, and those of the files that it names.
    pub(crate) fn load(
        flags: &Flags,
        bound: &Bound,
        before: Option<&UsersFile>,
    ) -> Result<Self, BoxError> {
        Self::load_all(flags, bound, before).map_err(|problem| others::with(problem, flags, bound))
    }

    /// The first problem ends it.
    fn load_all(
        flags: &Flags,
        bound: &Bound,
        before: Option<&UsersFile>,
    ) -> Result<Self, BoxError> {
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
            gssapi,
            directories,
            acl,
            limits,
            redis,
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
            || redis.as_ref().is_some_and(|table| table.has_secret())
            || upstream.has_password();
        let users = flags.with_users(users);
        let mut accounts = Accounts::new(users, hashes)?;
        let users_file = match users_file {
            Some(path) => {
                let (file, users) = UsersFile::read(&path, before)?;
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
        let fleet = redis.map(|table| table.stated()).transpose()?;
        let of_fleet = fleet.as_ref().and_then(|fleet| fleet.directory(&limits));
        let stated = [ldap, postgres, http_auth, radius.flatten(), of_fleet]
            .into_iter()
            .flatten();
        let directories = Directories::new(stated, directories.as_deref())?;
        let tickets = gssapi.map(|table| table.stated()).transpose()?;
        let accounts = accounts.with_directories(directories).with_tickets(tickets);
        if fleet.is_some() && limits.quota_file().is_some() {
            return Err("limits, quota_file: quotas are kept in [redis], and not in a file: leave one of them out".into());
        }
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
                fleet,
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
