//! What an operator is warned about, at the start and after each reload.

use std::{collections::BTreeSet, net::SocketAddr, os::unix::fs::MetadataExt, path::Path};

use tower_socks::{
    Request, Rules,
    proto::{Address, Command},
};

use crate::{
    cli::Flags,
    listen::Headers,
    settings::{Fixed, Settings},
};

/// Lines of one kind.
const MOST: usize = 20;

/// Warns about passwords and keys that every user of this machine can read, and about networks from which everybody may
/// say to be any client; and about rules that are never reached.
pub(crate) fn warn_if_exposed(flags: &Flags, settings: &Settings) {
    let Settings {
        has_secrets,
        users_file,
        doors,
        rules,
        accounts,
        unreachable,
        ..
    } = settings;
    accounts.directories().warn();
    settings.fixed.certificates.warn();
    for said in unreachable.iter().take(MOST) {
        tracing::warn!("{said}: move it up, or remove it");
    }
    if let Some(more) = unreachable.len().checked_sub(MOST).filter(|more| *more > 0) {
        tracing::warn!("and {more} more rules that are never reached");
    }
    let file = flags.config.as_deref().filter(|_| *has_secrets);
    let users = users_file.as_ref().map(|file| &*file.path);
    for path in file
        .into_iter()
        .chain(users)
        .filter(|path| is_exposed(path))
    {
        tracing::warn!(
            "{}: has passwords, and everybody on this machine can read it: chmod o-r",
            path.display()
        );
    }
    let keys = doors.iter().filter_map(|door| door.tls.as_ref());
    let keys: BTreeSet<_> = keys.map(|tls| &tls.key).collect();
    for key in keys.into_iter().filter(|key| is_exposed(key)) {
        tracing::warn!(
            "{}: is a private key, and everybody on this machine can read it: chmod o-r",
            key.display()
        );
    }
    let keytab = accounts.tickets().and_then(|tickets| tickets.keytab());
    if let Some(keytab) = keytab.filter(|path| is_exposed(path)) {
        tracing::warn!(
            "{}: has keys, and everybody on this machine can read it: chmod o-r",
            keytab.display()
        );
    }
    let Fixed {
        limits,
        upstream,
        outgoing_rules,
        ..
    } = &settings.fixed;
    let (associations, binds) = (limits.associations_per_user, limits.binds_per_user);
    for door in doors {
        if let Some(problem) = door.network.too_few_ports(associations.get(), binds.get()) {
            tracing::warn!("listener at {door}: {problem}");
        }
    }
    if *outgoing_rules > 0 && !upstream.rest_is_direct() {
        tracing::warn!(
            "outgoing, rules: they are about what leaves here for its target: connections to upstreams leave as \
             [outgoing], their listener and [upstreams] say"
        );
    }
    for door in doors {
        let Some(Headers::From(stated)) = &door.headers else {
            continue;
        };
        if let Some(network) = stated.too_large() {
            tracing::warn!(
                "listener at {door}: PROXY headers are taken from {network}: everybody there can say to be any client"
            );
        }
        if let Some(address) = door.trusts_itself_at().filter(|at| may_reach(rules, *at)) {
            tracing::warn!(
                "listener at {door}: PROXY headers are taken from {}, where clients can connect from through this very \
                 proxy, and say to be any client: refuse them {address}",
                address.ip()
            );
        }
    }
}

/// Whether a client without a name may connect there.
fn may_reach(rules: &Rules, address: SocketAddr) -> bool {
    let request = Request::new(Command::CONNECT, Address::Ip(address));
    let stated = rules.explain(&request);
    !stated.is_refused() && !rules.explain_address(&request, address).is_refused()
}

/// Where a file cannot be read, there are other messages.
pub(crate) fn is_exposed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0)
}
