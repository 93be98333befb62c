//! What only all of it together shows.

use crate::{accounts::Accounts, container, listen::Door};

/// Checks that where datagrams are carried in streams, datagrams are served at all.
pub(super) fn check_udp(has_udp: bool, doors: &[Door]) -> Result<(), String> {
    match doors.iter().find(|door| door.udp_over_tcp) {
        Some(door) if !has_udp => Err(format!(
            "listener at {door}, udp_over_tcp: there is no UDP through the upstream, unless `upstream_udp`, or `udp` in [upstreams], says how; \
             or leave it out"
        )),
        _ => Ok(()),
    }
}

/// Checks that where there are users, each listener takes a protocol in which they can say who they are.
pub(super) fn check_passwords(accounts: &Accounts, doors: &[Door]) -> Result<(), String> {
    match doors.iter().find(|door| door.has_no_passwords()) {
        Some(door) if !accounts.is_empty() => Err(format!(
            "nobody gets in at {door}: there are users, and SOCKS4, which alone is taken there, has no passwords; \
             take socks5 or http as well"
        )),
        _ => Ok(()),
    }
}

/// Checks that a listener that others reach has users, or is open on purpose.
pub(super) fn check_open(is_open: bool, accounts: &Accounts, doors: &[Door]) -> Result<(), String> {
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
