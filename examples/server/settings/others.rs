//! Mistakes beside the first one: in files that the file names, and in tables that stand for themselves.

use tower_socks::BoxError;

use crate::{
    access_log::AccessLog,
    accounts::Accounts,
    cli::Flags,
    config::Config,
    htpasswd::UsersFile,
    listen::{Bound, TopLevel},
    network::Network,
    upstream::{File, Plan},
};

/// Lines that are told at once.
const MOST: usize = 20;

/// Puts what else is wrong behind a problem.
pub(super) fn with(problem: BoxError, flags: &Flags, bound: &Bound) -> BoxError {
    let config = match &flags.config {
        Some(path) => Config::rest(path),
        None => Some(Config::default()),
    };
    let Some(config) = config else {
        return problem;
    };
    let mut all = problem.to_string();
    for other in others(config, &all, flags, bound) {
        let is_new = all.lines().all(|said| said != other);
        if is_new && all.lines().count() < MOST {
            all.push('\n');
            all.push_str(&other);
        }
    }
    all.into()
}

/// What is wrong with each of these, whatever is wrong elsewhere. Of tables with mistakes that are said already there is
/// nothing more: they are read without what is wrong.
fn others(config: Config, said: &str, flags: &Flags, bound: &Bound) -> Vec<String> {
    let is_said = |table: &str| said.contains(&format!(": {table}"));
    let Config {
        listen,
        protocols,
        tls,
        proxy_protocol,
        users,
        password_hashes,
        users_file,
        ldap,
        postgres,
        http_auth,
        radius,
        gssapi,
        redis,
        acl,
        resolver,
        upstream,
        upstream_udp,
        upstreams,
        routes,
        log,
        access_log,
        ..
    } = config;
    let mut others: Vec<Option<String>> = Vec::new();
    let stated = Accounts::new(flags.with_users(users), password_hashes);
    if let (Some(path), Ok(stated)) = (users_file, stated) {
        let read = UsersFile::read(&path, None).and_then(|(_, users)| stated.with_file(&users));
        others.push(read.err());
    }
    if let Some(ldap) = ldap.filter(|_| !is_said("ldap")) {
        others.push(ldap.directory().err());
    }
    if let Some(postgres) = postgres.filter(|_| !is_said("postgres")) {
        others.push(postgres.directory().err());
    }
    if let Some(http_auth) = http_auth.filter(|_| !is_said("http_auth")) {
        others.push(http_auth.directory().err());
    }
    if let Some(radius) = radius.filter(|_| !is_said("radius")) {
        others.push(radius.accounting().err());
        others.push(radius.directory().err());
    }
    if let Some(gssapi) = gssapi.filter(|_| !is_said("gssapi")) {
        others.push(gssapi.stated().err());
    }
    if let Some(redis) = redis.filter(|_| !is_said("redis")) {
        others.push(redis.stated().err());
    }
    others.push(resolver.check().err());
    if !is_said("upstream") && !is_said("route") {
        let file = File {
            upstream,
            upstream_udp,
            upstreams,
            routes,
        };
        let mistakes = Plan::new(file, &acl).err().unwrap_or_default();
        others.extend(mistakes.lines().map(|line| Some(line.to_owned())));
    }
    others.push(acl.check_time_zone().err().map(|it| it.to_string()));
    others.push(log.check().err());
    others.push(
        access_log
            .as_ref()
            .and_then(|it| AccessLog::check(it).err()),
    );
    if !is_said("listener") && !is_said("tls") {
        let top = flags.top_level(TopLevel {
            protocols,
            tls,
            proxy_protocol,
            udp_over_tcp: false,
            network: Network::default(),
        });
        let doors = bound.stated(&flags.listen(listen), &top);
        let doors = doors
            .map(|doors| bound.listening(&doors))
            .unwrap_or_default();
        others.extend(doors.iter().map(|door| {
            let problem = door.load_tls().err()?;
            Some(problem.to_string())
        }));
    }
    others.into_iter().flatten().collect()
}
