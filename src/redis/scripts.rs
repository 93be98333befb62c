//! What Redis executes as one step.

use std::sync::LazyLock;

use ::redis::{Pipeline, Script};

/// Takes or sets the places of a node.
pub(super) static TUNNELS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/tunnels.lua")));

/// Counts a request.
pub(super) static RATE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/rate.lua")));

/// Writes down what a node has used of a quota, and leases bytes.
pub(super) static QUOTA: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/quota.lua")));

/// Leases bytes of a bandwidth.
pub(super) static BANDWIDTH: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/bandwidth.lua")));

/// Counts failed logins, and notes where names have logged in.
pub(super) static LOGINS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/logins.lua")));

/// Reads accounts.
pub(super) static ACCOUNTS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/accounts.lua")));

/// Begins a command that executes a script for a place; arguments follow.
pub(super) fn execute<'a>(
    commands: &'a mut Pipeline,
    script: &Script,
    place: &str,
) -> &'a mut Pipeline {
    let hash = script.get_hash();
    commands.cmd("EVALSHA").arg(hash).arg(1).arg(place)
}
