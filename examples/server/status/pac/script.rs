//! The script, made of a template.

use std::net::IpAddr;

use serde::Serialize;
use tower_socks::{
    proto::Network,
    rules::{Action, Destination, RulesBuilder},
};

use super::proxies::Proxy;

const TEMPLATE: &str = include_str!("pac.js");

/// What is in everybody's own network. Those that are in one's own machine come first, and no rule changes that.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];
const NETWORKS: [&str; 13] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];
const NAMES: [&str; 8] = [
    "local",
    "internal",
    "home.arpa",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
];

/// Names and networks, as the script looks at them.
#[derive(Default, Serialize)]
struct List {
    names: Vec<String>,
    below: Vec<String>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
}

impl List {
    fn network(&mut self, network: Network) {
        let first = network.first().to_canonical();
        // What is inside of ::ffff:0:0/96 is an address of IPv4.
        let mapped = network.first().is_ipv6() && first.is_ipv4();
        let length = usize::from(network.prefix_len()).saturating_sub(if mapped { 96 } else { 0 });
        let (list, bits) = match first {
            IpAddr::V4(address) => (&mut self.ipv4, format!("{:032b}", address.to_bits())),
            IpAddr::V6(address) => (&mut self.ipv6, format!("{:0128b}", address.to_bits())),
        };
        list.push(bits.chars().take(length).collect());
    }

    fn destination(&mut self, destination: &Destination) {
        let text = destination.to_string();
        if let Ok(network) = text.parse() {
            self.network(network);
        } else if let Some(name) = text.strip_prefix("*.") {
            self.below.push(name.to_owned());
        } else {
            self.names.push(text);
        }
    }

    fn host(&mut self, host: &str) {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match bare.unwrap_or(host).parse::<IpAddr>() {
            Ok(address) => self.network(address.into()),
            Err(_) => self.names.push(host.to_owned()),
        }
    }
}

/// Makes the script.
pub(super) fn script(
    proxies: &[Proxy],
    own: Option<&str>,
    stated: &[Destination],
    rules: &RulesBuilder,
) -> String {
    let mut direct = List::default();
    direct.names.push("localhost".to_owned());
    direct.below.push("localhost".to_owned());
    networks(&LOOPBACK).for_each(|network| direct.network(network));
    if let Some(own) = own {
        direct.host(own);
    }
    stated.iter().for_each(|one| direct.destination(one));
    let mut through = List::default();
    let allowing = rules
        .rule_list()
        .iter()
        .filter(|rule| rule.action() != Action::Deny);
    allowing
        .flat_map(|rule| rule.destinations())
        .filter(|destination| is_special(destination))
        .for_each(|destination| through.destination(destination));
    let mut special = List::default();
    networks(&NETWORKS).for_each(|network| special.network(network));
    special.below.extend(NAMES.map(str::to_owned));
    let proxies: Vec<_> = proxies.iter().map(ToString::to_string).collect();
    TEMPLATE
        .replacen("DIRECT;", &format!("{};", quoted(&direct)), 1)
        .replacen("THROUGH;", &format!("{};", quoted(&through)), 1)
        .replacen("SPECIAL;", &format!("{};", quoted(&special)), 1)
        .replacen("PROXIES;", &format!("{};", quoted(&proxies.join("; "))), 1)
}

fn networks(texts: &'static [&'static str]) -> impl Iterator<Item = Network> {
    texts.iter().filter_map(|text| text.parse().ok())
}

/// Whether a destination would go past the proxy, if no rule allowed it. The rest goes through it in any case, and there
/// may be a million.
fn is_special(destination: &Destination) -> bool {
    let text = destination.to_string();
    if let Ok(network) = text.parse::<Network>() {
        return networks(&NETWORKS)
            .any(|special| special.contains(network.first()) || network.contains(special.first()));
    }
    let (below, name) = match text.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, &*text),
    };
    let is_below = |special: &&str| {
        let rest = name.strip_suffix(special);
        rest.is_some_and(|rest| rest.ends_with('.') || (rest.is_empty() && below))
    };
    NAMES.iter().any(is_below) || (!below && !name.contains('.'))
}

/// A value in the script. What is not ASCII is escaped: it may be read in any encoding.
fn quoted(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "\"\"".to_owned());
    let mut text = String::new();
    for c in json.chars() {
        match c {
            ' '..='~' if !matches!(c, '<' | '>') => text.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}
