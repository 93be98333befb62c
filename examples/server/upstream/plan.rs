//! What goes where, once it is checked.

use std::collections::BTreeMap;

use tower_socks::rules::{Rule, RulesBuilder};

use crate::{certificates::Certificates, outgoing};

use super::{
    datagrams::UpstreamUdp,
    node::{Goal, Node, Proxy, node},
    routes::Route,
    stated::{Rest, Stated, is_name},
};

/// The name of what `upstream` has a URL of, in the log and in metrics.
const UNNAMED: &str = "upstream";

/// Which upstream each request goes through.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) rest: Goal,
    pub(super) routes: Vec<(Rule, Goal)>,
    /// Groups and time zone of the rules.
    pub(super) acl: RulesBuilder,
}

/// `upstream`, `upstream_udp`, `[upstreams]` and `[[routes]]`.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) upstream: Option<Rest>,
    pub(crate) upstream_udp: Option<UpstreamUdp>,
    pub(crate) upstreams: BTreeMap<String, Stated>,
    pub(crate) routes: Vec<Route>,
}

impl Plan {
    /// Puts together what the file says.
    ///
    /// # Errors
    ///
    /// All mistakes in it, a line each.
    pub(crate) fn new(file: File, acl: &RulesBuilder) -> Result<Self, String> {
        let File {
            upstream,
            upstream_udp,
            upstreams,
            routes,
        } = file;
        let mut mistakes = Vec::new();
        let mut nodes = BTreeMap::new();
        for (name, stated) in upstreams {
            match node(&name, stated) {
                Ok(node) => {
                    nodes.insert(name, node);
                }
                Err(problems) => {
                    let problems = problems.into_iter();
                    mistakes.extend(problems.map(|problem| format!("upstreams.{name}: {problem}")));
                    // To name it is no mistake.
                    nodes.insert(name, Node::Failover(Vec::new()));
                }
            }
        }
        let has_rest_of_its_own = matches!(upstream, Some(Rest::Chain(_)));
        match upstream_udp {
            Some(_) if upstream.is_none() => {
                mistakes.push("upstream_udp: there is no `upstream`".into());
            }
            Some(_) if !has_rest_of_its_own => mistakes.push(
                "upstream_udp: `upstream` is a name: say it there, as `udp` in [upstreams]".into(),
            ),
            _ => {}
        }
        let rest = match upstream {
            None => Goal::Direct,
            Some(Rest::Name(name)) => Goal::of(&name),
            Some(Rest::Chain(chain)) => {
                let udp = upstream_udp.unwrap_or_default();
                if let Err(problem) = chain.check_udp(udp) {
                    mistakes.push(format!("upstream_udp: {problem}"));
                }
                let proxy = Proxy {
                    chain,
                    udp,
                    bind: false,
                    trusted: None,
                    outgoing: None,
                    probe: None,
                };
                if nodes
                    .insert(UNNAMED.into(), Node::Proxy(Box::new(proxy)))
                    .is_some()
                {
                    mistakes.push(format!(
                        "upstreams.{UNNAMED}: this is what `upstream` at the top of the file is called: choose another name"
                    ));
                }
                Goal::Node(UNNAMED.into())
            }
        };
        let routes = routes.into_iter();
        let routes = routes.map(|Route { rule, upstream }| (rule, Goal::of(&upstream)));
        let plan = Self {
            nodes,
            rest,
            routes: routes.collect(),
            acl: acl.clone().with_rules([]),
        };
        plan.check_names(&mut mistakes);
        plan.check_circles(&mut mistakes);
        // Where something is left out, what it would lead to is none the less named.
        if mistakes.is_empty() {
            plan.check_use(&mut mistakes);
        }
        match &*mistakes {
            [] => Ok(plan),
            mistakes => Err(mistakes.join("\n")),
        }
    }

    /// Everything that leads somewhere, with its place in the file.
    fn goals(&self) -> impl Iterator<Item = (String, &Goal)> {
        let rest = std::iter::once(("upstream".to_owned(), &self.rest));
        let routes = (1..).zip(&self.routes);
        let routes = routes.map(|(number, (_, goal))| (format!("route {number}, upstream"), goal));
        let members = self.nodes.iter().flat_map(|(name, node)| {
            let members = node.members().into_iter();
            members.map(move |goal| (format!("upstreams.{name}"), goal))
        });
        rest.chain(routes).chain(members)
    }

    fn check_names(&self, mistakes: &mut Vec<String>) {
        for (place, goal) in self.goals() {
            let Goal::Node(name) = goal else { continue };
            if self.nodes.contains_key(name) {
                continue;
            }
            let known: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
            let known = match &*known {
                [] => "there are none".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            // What is no name may be a URL with a password.
            let name = if is_name(name) { name } else { "(no name)" };
            mistakes.push(format!(
                "{place}: `{name}` is not one of [upstreams], \"direct\" or \"refuse\": {known}"
            ));
        }
    }

    fn check_circles(&self, mistakes: &mut Vec<String>) {
        let mut said: Vec<&str> = Vec::new();
        for name in self.nodes.keys() {
            let mut path = Vec::new();
            // Each circle is said once.
            if !said.contains(&name.as_str()) && self.leads_back(name, name, &mut path) {
                let by = path.join(", then ");
                mistakes.push(format!("upstreams.{name}: it leads to itself by {by}"));
                said.extend(path);
            }
        }
    }

    /// Whether one of these leads to that name. Each is looked at once on a path, so that it ends.
    fn leads_back<'a>(&'a self, from: &str, to: &str, path: &mut Vec<&'a str>) -> bool {
        let members = self.nodes.get(from).map(Node::members).unwrap_or_default();
        for member in members {
            let Goal::Node(member) = member else { continue };
            if path.contains(&member.as_str()) {
                continue;
            }
            path.push(member);
            if member == to || self.leads_back(member, to, path) {
                return true;
            }
            path.pop();
        }
        false
    }

    fn check_use(&self, mistakes: &mut Vec<String>) {
        let routed = self.routes.iter().map(|(_, goal)| goal);
        let mut used: Vec<&str> = Vec::new();
        let mut open: Vec<&Goal> = routed.chain([&self.rest]).collect();
        while let Some(goal) = open.pop() {
            let Goal::Node(name) = goal else { continue };
            if !used.contains(&name.as_str()) {
                used.push(name);
                open.extend(self.nodes.get(name).map(Node::members).unwrap_or_default());
            }
        }
        for name in self
            .nodes
            .keys()
            .filter(|name| !used.contains(&name.as_str()))
        {
            mistakes.push(format!(
                "upstreams.{name}: nothing goes there: neither `upstream`, a route nor another one of [upstreams] that is \
                 used names it"
            ));
        }
    }

    /// Whether everything is executed from here.
    pub(crate) fn is_direct(&self) -> bool {
        self.rest == Goal::Direct && self.routes.is_empty()
    }

    /// Whether what no route says otherwise of is executed from here.
    pub(crate) fn rest_is_direct(&self) -> bool {
        self.rest == Goal::Direct
    }

    /// Whether the file has a password for one of them.
    pub(crate) fn has_password(&self) -> bool {
        self.proxies().any(|(_, proxy)| proxy.chain.has_password())
    }

    /// When authorities expire that proxies are known by.
    pub(crate) fn certificates(&self) -> Certificates {
        let mut all = Certificates::default();
        for trusted in self
            .proxies()
            .filter_map(|(_, proxy)| proxy.trusted.as_ref())
        {
            all.add_all(&trusted.expires);
        }
        all
    }

    /// Tries whether this machine has what is stated of where connections to proxies leave.
    ///
    /// # Errors
    ///
    /// It has not, and where that is stated.
    pub(crate) fn check_outgoing(&self, base: &outgoing::Stated) -> Result<(), String> {
        for (name, proxy) in self.proxies() {
            if proxy.outgoing.is_some() {
                let place = format_args!("upstreams.{name}, outgoing");
                proxy.outgoing(base).check(&place)?;
            }
        }
        Ok(())
    }

    /// All proxies by name.
    pub(super) fn proxies(&self) -> impl Iterator<Item = (&str, &Proxy)> {
        self.nodes.iter().filter_map(|(name, node)| match node {
            Node::Proxy(proxy) => Some((name.as_str(), &**proxy)),
            Node::Failover(_) | Node::Balance(..) => None,
        })
    }

    /// The proxies behind a goal, in order; `None` stands for this machine.
    pub(super) fn leaves<'a>(&'a self, goal: &'a Goal) -> Vec<Option<(&'a str, &'a Proxy)>> {
        match goal {
            Goal::Direct => vec![None],
            Goal::Refuse => Vec::new(),
            Goal::Node(name) => match self.nodes.get_key_value(name) {
                Some((name, Node::Proxy(proxy))) => vec![Some((name, proxy))],
                Some((_, group)) => {
                    let members = group.members().into_iter();
                    members.flat_map(|member| self.leaves(member)).collect()
                }
                None => Vec::new(),
            },
        }
    }

    /// Whether there is UDP by any route.
    pub(crate) fn has_udp(&self) -> bool {
        let routed = self.routes.iter().map(|(_, goal)| goal);
        let mut leaves = routed
            .chain([&self.rest])
            .flat_map(|goal| self.leaves(goal));
        leaves.any(|leaf| leaf.is_none_or(|(_, proxy)| proxy.udp.is_on()))
    }

    /// Whether names can be looked up where all requests for them are, if there is but one place.
    pub(crate) fn check_lookups(&self) -> Result<(), String> {
        match (&*self.leaves(&self.rest), &*self.routes) {
            ([Some((_, proxy))], []) if !proxy.chain.has_lookups() => Err(format!(
                "resolve: names are resolved by {}, which nobody can ask for an address: a proxy of socks5h:// \
                 or socks5s:// can be, if it is Tor or like this one; leave `resolve` out with others",
                proxy.chain.last()
            )),
            _ => Ok(()),
        }
    }
}
