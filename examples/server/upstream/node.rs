//! What requests can be sent to: one proxy, or several of which one is taken.

use std::fmt;

use crate::{
    authorities::{Trusted, trust},
    outgoing,
};

use super::{
    chain::Chain,
    datagrams::UpstreamUdp,
    stated::{BalanceBy, Probe, Stated, is_name},
};

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Direct,
    Refuse,
    Node(String),
}

/// One of `[upstreams]`, or what `upstream` has the URL of.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Proxy(Box<Proxy>),
    /// In this order.
    Failover(Vec<Goal>),
    /// With the weight of each.
    Balance(Vec<(Goal, u32)>, BalanceBy),
}

#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) chain: Chain,
    pub(super) udp: UpstreamUdp,
    pub(super) bind: bool,
    pub(super) trusted: Option<Trusted>,
    /// From where it is connected to, where that is different.
    pub(super) outgoing: Option<outgoing::Stated>,
    pub(super) probe: Option<Probe>,
}

impl Proxy {
    /// From where it is connected to, where requests leave as `base` says.
    pub(super) fn outgoing(&self, base: &outgoing::Stated) -> outgoing::Stated {
        let own = self.outgoing.as_ref();
        own.map_or_else(|| base.clone(), |own| own.over(base))
    }

    /// All that is stated of how it is reached, passwords included: by that a reload knows whether it is another one.
    pub(super) fn stated(&self) -> Vec<String> {
        let mut stated = self.chain.stated().to_vec();
        stated.push(format!("{:?}", self.outgoing));
        stated.extend(self.trusted.iter().map(|trusted| trusted.text.clone()));
        stated
    }
}

impl Goal {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "direct" => Self::Direct,
            "refuse" => Self::Refuse,
            name => Self::Node(name.to_owned()),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Refuse => f.write_str("refuse"),
            Self::Node(name) => f.write_str(name),
        }
    }
}

impl Node {
    /// Where it leads next.
    pub(super) fn members(&self) -> Vec<&Goal> {
        match self {
            Self::Proxy(_) => Vec::new(),
            Self::Failover(members) => members.iter().collect(),
            Self::Balance(members, _) => members.iter().map(|(member, _)| member).collect(),
        }
    }
}

/// Checks one of `[upstreams]` by itself.
pub(super) fn node(name: &str, stated: Stated) -> Result<Node, Vec<String>> {
    let mut problems = Vec::new();
    if !is_name(name) {
        problems.push("a name has letters, digits, -, _ and ., 64 at most".to_owned());
    }
    if matches!(name, "direct" | "refuse") {
        problems.push(format!(
            "`{name}` has a meaning of its own: choose another name"
        ));
    }
    let Stated {
        url,
        udp,
        bind,
        authorities,
        outgoing,
        probe,
        failover,
        balance,
        by,
        weights,
    } = stated;
    let is_proxy = url.is_some();
    for (field, is_there) in [
        ("udp", udp.is_some()),
        ("bind", bind),
        ("probe", probe.is_some()),
        ("authorities", authorities.is_some()),
        ("outgoing", outgoing.is_some()),
    ] {
        if is_there && !is_proxy {
            problems.push(format!(
                "{field} goes with `url`: say it where the proxy is"
            ));
        }
    }
    for (field, is_there) in [("by", by.is_some()), ("weights", weights.is_some())] {
        if is_there && balance.is_none() {
            problems.push(format!("{field} goes with `balance`"));
        }
    }
    let node = match (url, failover, balance) {
        (Some(mut chain), None, None) => {
            let udp = udp.unwrap_or_default();
            if let Err(problem) = chain.check_udp(udp) {
                problems.push(format!("udp: {problem}"));
            }
            if bind && !chain.has_bind() {
                problems.push(format!("bind: {} does not know the command", chain.last()));
            }
            if let Some(Err(problem)) = probe.as_ref().map(Probe::check) {
                problems.push(format!("probe, {problem}"));
            }
            let trusted = authorities
                .and_then(|file| trust(&file).map_err(|problem| problems.push(problem)).ok());
            if let Some(trusted) = &trusted
                && !chain.trust(&trusted.tls)
            {
                problems.push("authorities: none of these proxies is spoken to in TLS, which https:// and socks5s:// are".into());
            }
            let proxy = Proxy {
                chain,
                udp,
                bind,
                trusted,
                outgoing,
                probe,
            };
            Some(Node::Proxy(Box::new(proxy)))
        }
        (None, Some(members), None) => {
            let members = check_members("failover", &members, &mut problems);
            Some(Node::Failover(members))
        }
        (None, None, Some(members)) => {
            let mut weights = weights.unwrap_or_default();
            let members = check_members("balance", &members, &mut problems);
            let weighted = members.into_iter().map(|member| {
                let weight = weights.remove(&member.to_string());
                (member, weight.map_or(1, std::num::NonZeroU32::get))
            });
            let node = Node::Balance(weighted.collect(), by.unwrap_or_default());
            problems.extend(
                weights
                    .keys()
                    .map(|name| format!("weights: `{name}` is not in `balance`")),
            );
            Some(node)
        }
        _ => {
            problems.push("there has to be one of `url`, `failover` and `balance`".into());
            None
        }
    };
    match node {
        Some(node) if problems.is_empty() => Ok(node),
        _ => Err(problems),
    }
}

fn check_members(field: &str, names: &[String], problems: &mut Vec<String>) -> Vec<Goal> {
    if names.is_empty() {
        problems.push(format!("{field}: an empty list leads nowhere"));
    }
    for (at, name) in names.iter().enumerate() {
        if name == "refuse" {
            problems.push(format!("{field}: \"refuse\" is for `upstream` and routes"));
        }
        if names.iter().take(at).any(|before| before == name) {
            let name = if is_name(name) { name } else { "(no name)" };
            problems.push(format!("{field}: `{name}` is there twice"));
        }
    }
    names.iter().map(|name| Goal::of(name)).collect()
}
