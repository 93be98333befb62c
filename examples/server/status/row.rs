//! An open tunnel as the page shows it. What it tells of clients, users and targets is made here and nowhere else.

use std::{cmp::Ordering, fmt::Write, net::SocketAddr};

use serde::Serialize;
use tower_socks::{
    Identity,
    layer::{
        key::UserOrClient,
        record::{self, Destinations},
        track::OpenTunnel,
    },
    proto::Address,
};

use super::listing::Listed;
use crate::{log, udp_over_tcp};

#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: u64,
    client: String,
    user: String,
    protocol: &'static str,
    command: String,
    target: String,
    /// The address that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<String>,
    /// The upstream through which it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    /// Where the datagrams of an association go: the first of them, and how many went to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    destinations: Vec<Destination>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_others: Option<u64>,
    seconds: u64,
    up: u64,
    down: u64,
    /// Octets a second by now, where that is known.
    up_rate: Option<u64>,
    down_rate: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Destination {
    address: String,
    datagrams_up: u64,
    datagrams_down: u64,
}

impl Destination {
    fn of(destination: &record::Destination) -> Self {
        Self {
            address: target(&destination.address),
            datagrams_up: destination.datagrams_up,
            datagrams_down: destination.datagrams_down,
        }
    }
}

impl Row {
    pub(super) fn of(listed: &Listed) -> Self {
        let tunnel = &listed.tunnel;
        let reached = tunnel.reached.map(reached);
        let target = target(&tunnel.target);
        let destinations = tunnel.destinations.as_ref();
        let first = destinations.map(Destinations::list).unwrap_or_default();
        let rest = destinations.and_then(Destinations::rest);
        Self {
            id: tunnel.id,
            client: client(tunnel.client),
            user: user(&tunnel.identity),
            protocol: tunnel.protocol.name(),
            command: udp_over_tcp::command(tunnel),
            reached: reached.filter(|reached| *reached != target),
            target,
            upstream: tunnel.upstream.as_deref().map(str::to_owned),
            destinations: first.iter().map(Destination::of).collect(),
            to_others: rest.map(|rest| rest.datagrams_up),
            seconds: tunnel.age.as_secs(),
            up: tunnel.traffic.up,
            down: tunnel.traffic.down,
            up_rate: listed.rate.map(|rate| rate.up),
            down_rate: listed.rate.map(|rate| rate.down),
        }
    }
}

/// A user, as a line.
pub(super) fn user(identity: &Identity) -> String {
    log::privacy().user(identity)
}

/// Somebody who is counted.
pub(super) fn whom(whom: &UserOrClient) -> String {
    match whom {
        UserOrClient::User(name) => user(&Identity::named(name.name())),
        UserOrClient::Client(address) => log::privacy().client(*address).unwrap_or_default(),
    }
}

/// A target with its port.
pub(super) fn target(target: &Address) -> String {
    match log::privacy().is_full() {
        true => target.to_string(),
        false => format!("{}:{}", host(target), target.port()),
    }
}

/// A client with its port, which goes with its last octet.
fn client(address: SocketAddr) -> String {
    let privacy = log::privacy();
    match privacy.is_full() {
        true => address.to_string(),
        false => privacy.client(address.ip()).unwrap_or_default(),
    }
}

/// The address that was dialled.
fn reached(address: SocketAddr) -> String {
    target(&Address::Ip(address))
}

/// A target without its port, for sums.
pub(super) fn host(target: &Address) -> String {
    match target {
        Address::Ip(address) => log::privacy().target_address(address.ip()),
        Address::Name(name, _) => log::privacy().target_name(name.as_str()),
    }
    .unwrap_or_else(|| "-".to_owned())
}

/// Writes what a search looks at.
pub(super) fn searched(text: &mut String, tunnel: &OpenTunnel) {
    text.clear();
    // Writing to a string never fails.
    _ = write!(
        text,
        "{}\n{}\n{}\n{}\n{}",
        client(tunnel.client),
        user(&tunnel.identity),
        tunnel.protocol.name(),
        udp_over_tcp::command(tunnel),
        target(&tunnel.target),
    );
    if let Some(reached) = tunnel.reached.map(reached) {
        _ = write!(text, "\n{reached}");
    }
    for one in tunnel.destinations.iter().flat_map(Destinations::list) {
        _ = write!(text, "\n{}", target(&one.address));
    }
    text.make_ascii_lowercase();
}

/// Sorts names before addresses.
pub(super) fn compare_targets(one: &Address, another: &Address) -> Ordering {
    match (one, another) {
        (Address::Name(a, a_port), Address::Name(b, b_port)) => (a, a_port).cmp(&(b, b_port)),
        (Address::Ip(a), Address::Ip(b)) => a.cmp(b),
        (Address::Name(..), Address::Ip(_)) => Ordering::Less,
        (Address::Ip(_), Address::Name(..)) => Ordering::Greater,
    }
}
