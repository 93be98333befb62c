//! A plan in words: for `--check`, `--explain` and the log.

use std::{fmt, time::SystemTime};

use tower_socks::{
    Request,
    connector::route::Router,
    proto::{Address, Command},
    rules::RuleMap,
};

use super::{
    datagrams::UpstreamUdp,
    node::{Goal, Node},
    plan::Plan,
};

/// What a request would go through.
#[derive(Clone, Debug)]
pub(crate) struct Through {
    /// The route, and where it leads.
    pub(crate) text: String,
    /// No route lets it go anywhere.
    pub(crate) is_refused: bool,
    /// Where it is executed from here; otherwise what follows is of the proxy.
    pub(crate) is_direct: bool,
    pub(crate) has_remote_dns: bool,
    pub(crate) has_udp: bool,
    pub(crate) has_bind: bool,
    pub(crate) has_lookups: bool,
}

impl Plan {
    /// Finds what a request would go through at a time. Of several alternatives the first is looked at.
    pub(crate) fn through(&self, request: &Request, at: SystemTime) -> Through {
        let (number, goal) = self.chosen(request, at);
        let route = match number {
            _ if self.routes.is_empty() => String::new(),
            Some(number) => format!("{}: ", self.route(number)),
            None => "no route: ".to_owned(),
        };
        let leaves = self.leaves(goal);
        let first = leaves.first().copied().flatten();
        let proxy = first.map(|(_, proxy)| proxy);
        let mut through = Through {
            text: format!("{route}{}", self.goal_text(goal)),
            is_refused: leaves.is_empty(),
            is_direct: proxy.is_none(),
            has_remote_dns: proxy.is_some_and(|proxy| proxy.chain.has_remote_dns()),
            has_udp: proxy.is_none_or(|proxy| proxy.udp.is_on()),
            has_bind: proxy.is_none_or(|proxy| proxy.bind),
            has_lookups: proxy.is_none_or(|proxy| proxy.chain.has_lookups()),
        };
        if request.command == Command::UDP_ASSOCIATE && !through.is_refused {
            // The association has its route before anything is known of its datagrams.
            let mut association = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
            association.identity = request.identity.clone();
            association.peer = request.peer;
            association.protocol = request.protocol;
            let (of_association, its_goal) = self.chosen(&association, at);
            if of_association != number {
                let route = of_association.map_or("no route".to_owned(), |it| self.route(it));
                through.text = format!(
                    "{}, but the association has taken its own before: {route}, {its_goal}",
                    through.text
                );
                through.is_refused = true;
            }
        }
        through
    }

    /// The number of the route, from 1, and where it leads.
    fn chosen(&self, request: &Request, at: SystemTime) -> (Option<usize>, &Goal) {
        let numbers = (1..).zip(&self.routes);
        let numbered = numbers.map(|(number, (rule, _))| (rule.clone(), Some(number)));
        let router = Router::with_map(RuleMap::like(&self.acl, numbered), None);
        let number = *router.choose_at(request, at);
        let route = number.and_then(|number: usize| self.routes.get(number.checked_sub(1)?));
        (number, route.map_or(&self.rest, |(_, goal)| goal))
    }

    fn route(&self, number: usize) -> String {
        let route = number.checked_sub(1).and_then(|at| self.routes.get(at));
        match route.and_then(|(rule, _)| rule.name()) {
            Some(name) => format!("route {number} ({})", name.escape_debug()),
            None => format!("route {number}"),
        }
    }

    fn goal_text(&self, goal: &Goal) -> String {
        match goal {
            Goal::Direct => "direct".into(),
            Goal::Refuse => "refused".into(),
            Goal::Node(name) => format!("through {name}: {}", self.node_text(name)),
        }
    }

    fn node_text(&self, name: &str) -> String {
        match self.nodes.get(name) {
            Some(Node::Proxy(proxy)) => {
                let mut text = format!("{} with UDP {}", proxy.chain, proxy.udp);
                if proxy.bind {
                    text.push_str(", BIND");
                }
                if let Some(trusted) = &proxy.trusted {
                    text.push_str(&format!(", known by {}", trusted.file.display()));
                }
                if let Some(outgoing) = &proxy.outgoing {
                    text.push_str(&format!(", {outgoing}"));
                }
                if let Some(probe) = &proxy.probe {
                    text.push_str(&format!(", {probe}"));
                }
                text
            }
            Some(Node::Failover(members)) => {
                let members: Vec<_> = members.iter().map(ToString::to_string).collect();
                format!("the first that works of {}", members.join(", "))
            }
            Some(Node::Balance(members, by)) => {
                let weighted = |(member, weight): &(Goal, u32)| match weight {
                    1 => member.to_string(),
                    weight => format!("{member} (weight {weight})"),
                };
                let members: Vec<_> = members.iter().map(weighted).collect();
                format!("balanced by {by} over {}", members.join(", "))
            }
            None => String::new(),
        }
    }

    /// Says at the start what becomes of requests and of datagrams, and what to set.
    pub(crate) fn log(&self) {
        if self.is_direct() {
            return;
        }
        for (name, proxy) in self.proxies() {
            let (chain, udp) = (&proxy.chain, proxy.udp);
            if udp == UpstreamUdp::Associate && chain.is_in_tls() {
                tracing::warn!(
                    "upstream_udp: datagrams go to {chain} ({name}) outside of TLS; those of \"udp-over-tcp\" are inside"
                );
            }
        }
        let rest = match &self.rest {
            Goal::Direct => "directly".into(),
            Goal::Refuse => "nowhere: they are refused".to_owned(),
            Goal::Node(name) => match self.nodes.get(name) {
                Some(Node::Proxy(proxy)) => {
                    let udp = match proxy.udp.is_on() {
                        true => format!("UDP by {}", proxy.udp),
                        false => {
                            "UDP is refused, unless `upstream_udp` says how it goes there".into()
                        }
                    };
                    let bind = if proxy.bind {
                        "BIND as well"
                    } else {
                        "BIND is refused"
                    };
                    format!("through {}, {udp}; {bind}", proxy.chain)
                }
                _ => format!("through {name}, {}", self.node_text(name)),
            },
        };
        match self.routes.len() {
            0 => tracing::info!("requests go {rest}"),
            routes => tracing::info!("{routes} routes; all other requests go {rest}"),
        }
    }
}

/// Line by line, without passwords.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rest {
            Goal::Direct if self.routes.is_empty() => write!(f, "upstream  none")?,
            // As it was given.
            Goal::Node(name) if self.nodes.len() == 1 && self.routes.is_empty() => {
                write!(f, "upstream  {}", self.node_text(name))?;
            }
            rest => write!(f, "upstream  {rest}")?,
        }
        if self.nodes.len() > 1 || !self.routes.is_empty() {
            for name in self.nodes.keys() {
                write!(f, "\n          {name}: {}", self.node_text(name))?;
            }
        }
        for (number, (_, goal)) in (1..).zip(&self.routes) {
            write!(f, "\n          {} to {goal}", self.route(number))?;
        }
        Ok(())
    }
}
