//! From where each request leaves, by rules.

use tower_socks::{
    Request,
    connector::Outgoing,
    rules::{RuleMap, RulesBuilder},
};

use super::{Stated, conditions::Conditions};

/// From where each request leaves.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    base: Departure,
    all: RuleMap<Departure>,
    /// For requests that state no destination: UDP, and a BIND of anybody.
    without_destination: RuleMap<Departure>,
}

#[derive(Clone, Debug)]
struct Departure {
    stated: Stated,
    outgoing: Outgoing,
}

impl Departure {
    fn new(stated: Stated) -> Self {
        Self {
            outgoing: stated.outgoing(),
            stated,
        }
    }
}

impl Choice {
    pub(super) fn new(rules: &[Conditions<Stated>], base: &Stated, acl: &RulesBuilder) -> Self {
        let choices = |of_all: bool| {
            let rules = rules.iter();
            let rules = rules.filter(move |rule| of_all || !rule.states_destination);
            rules.map(|rule| {
                let departure = Departure::new(rule.beside.over(base));
                (rule.rule.clone(), departure)
            })
        };
        Self {
            base: Departure::new(base.clone()),
            all: RuleMap::like(acl, choices(true)),
            without_destination: RuleMap::like(acl, choices(false)),
        }
    }

    /// What holds for all requests, where there are no rules.
    pub(crate) fn same(&self) -> Option<Outgoing> {
        let is_same = self.all.values().is_empty();
        is_same.then(|| self.base.outgoing.clone())
    }

    fn choose(&self, request: Option<&Request>) -> Outgoing {
        let departure = request.map_or(&self.base, |request| self.departure(request));
        departure.outgoing.clone()
    }

    /// Chooses for connectors.
    pub(crate) fn function(&self) -> impl Fn(Option<&Request>) -> Outgoing + Send + Sync + use<> {
        let choice = self.clone();
        move |request| choice.choose(request)
    }

    /// Says it for people.
    pub(crate) fn describe(&self, request: &Request) -> String {
        self.departure(request).stated.to_string()
    }

    fn departure(&self, request: &Request) -> &Departure {
        let rules = match request.destination() {
            Some(_) => &self.all,
            None => &self.without_destination,
        };
        let chosen = rules.choose(request).ok().flatten();
        chosen.unwrap_or(&self.base)
    }
}
