//! The first rule that matches.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::{
    address_forms::AddressForms,
    candidates::Candidates,
    compiled::{Compiled, Stated},
    decision::{Decided, Effect, Reason},
    index::{Found, Keys, Reach, includes},
    postings::RuleId,
    protections::Protections,
    query::Query,
    rule::{Action, Rule},
    special_purpose,
};

/// The first rule that matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// Which one, from 0; `None` where none does.
    pub(crate) index: Option<usize>,
    /// One before it might match as well, once the destination is known.
    pub(crate) is_undecided: bool,
}

/// Whether a rule matches.
enum Match {
    Yes,
    No,
    /// It depends on the address, which is not known yet.
    Deferred,
}

/// The rules that state what a query is about, by kind of condition.
struct Matches<'a> {
    names: Keys<'a>,
    /// Those of them that state what is special-purpose about a name.
    special_names: Keys<'a>,
    networks: SmallVec<[(IpAddr, Reach, Found<'a>); 4]>,
    clients: Keys<'a>,
    user: Option<Found<'a>>,
    groups: Keys<'a>,
}

impl Compiled {
    /// Finds the first rule that matches, and what follows from it.
    pub(super) fn evaluate(&self, query: &Query<'_>) -> Decided {
        let protections = self.protections(query);
        if !self.rules.is_empty() {
            let matches = self.matches(query, protections);
            let mut candidates = Candidates::new(&self.index, matches.all());
            if query.forms.is_none() {
                candidates = candidates.and(if query.remote_dns {
                    Candidates::unjudged(&self.index, matches.all())
                } else {
                    Candidates::deferred(&self.index, matches.all())
                });
            }
            for id in candidates {
                let Some((rule, stated)) = self.about(id, query.port) else {
                    continue;
                };
                let decided = |effect| Decided {
                    effect,
                    reason: Reason::Rule(id),
                };
                match self.matches_rule(id, rule, stated, query, &matches, protections) {
                    Match::Yes => return decided(effect(rule.action())),
                    Match::Deferred if query.remote_dns => {
                        let is_about_it = !rule.action().allows() && query.name.is_some();
                        if is_about_it && !self.allow_unresolved {
                            return Decided {
                                effect: Effect::Refused,
                                reason: Reason::Unjudged(id),
                            };
                        }
                    }
                    Match::Deferred if rule.action().allows() => return decided(Effect::Open),
                    Match::Deferred | Match::No => {}
                }
            }
        }
        match protections.reason() {
            Some(reason) => Decided {
                effect: Effect::Refused,
                reason,
            },
            None => Decided {
                effect: effect(self.default),
                reason: Reason::Default,
            },
        }
    }

    /// Finds the first rule that matches, whatever its action, and whether another one before it might
    /// match as well: its destination is not known yet.
    ///
    /// Networks do not match a name, and no address of one is waited for.
    pub(super) fn choose(&self, query: &Query<'_>) -> Choice {
        let protections = self.protections(query);
        let matches = self.matches(query, protections);
        let matching = |id: RuleId| {
            let (rule, stated) = self.about(id, query.port)?;
            Some(self.matches_rule(id, rule, stated, query, &matches, protections))
        };
        let mut is_undecided = false;
        let index = Candidates::new(&self.index, matches.all()).find(|id| match matching(*id) {
            Some(Match::Deferred) => {
                // A port alone; destinations are looked through below.
                is_undecided |= query.port.is_none();
                false
            }
            found => matches!(found, Some(Match::Yes)),
        });
        if !is_undecided && query.port.is_none() {
            is_undecided = Candidates::deferred(&self.index, matches.all())
                .take_while(|id| index.is_none_or(|index| *id < index))
                .any(|id| matches!(matching(id), Some(Match::Deferred)));
        }
        Choice {
            index: index.map(|id| id as usize),
            is_undecided,
        }
    }

    fn matches<'a>(&'a self, query: &Query<'_>, protections: Protections) -> Matches<'a> {
        let index = &self.index;
        let identity = &query.request.identity;
        let user = identity
            .name()
            .and_then(|name| std::str::from_utf8(name).ok());
        let own = identity
            .groups()
            .iter()
            .filter_map(|group| index.group(group));
        let listed = user.and_then(|user| self.groups.get(user));
        let listed = listed.into_iter().flatten();
        let listed = listed.filter_map(|group| index.group(group));
        let client = query.request.peer.ip().to_canonical();
        let forms = query.forms.iter().flat_map(AddressForms::all);
        Matches {
            names: match query.name {
                Some(name) => index.names(name, 0),
                None => Keys::new(),
            },
            special_names: match (protections.name, query.name) {
                (Some(special), Some(name)) => index.names(name, special.least()),
                _ => Keys::new(),
            },
            networks: forms
                .flat_map(|form| {
                    let around = index.networks(form);
                    around.map(move |(reach, found)| (form, reach, found))
                })
                .collect(),
            clients: if client.is_unspecified() {
                Keys::new()
            } else {
                index.clients(client)
            },
            user: user.and_then(|user| index.user(user)),
            groups: own.chain(listed).collect(),
        }
    }

    /// Returns a rule, unless its ports leave out this one.
    fn about(&self, id: RuleId, port: Option<u16>) -> Option<(&Rule, &Stated)> {
        let stated = self.stated.get(id as usize)?;
        match port {
            Some(port) if !stated.ports.contains(port) => None,
            _ => Some((self.rules.get(id as usize)?, stated)),
        }
    }

    fn matches_rule(
        &self,
        id: RuleId,
        rule: &Rule,
        stated: &Stated,
        query: &Query<'_>,
        matches: &Matches<'_>,
        protections: Protections,
    ) -> Match {
        let clock = || query.moment(&self.zone);
        let holds = rule.protocols.include(query.request.protocol)
            && (rule.commands.is_empty() || rule.commands.contains(&query.request.command))
            && (!stated.users || matches.user.is_some_and(|found| found.includes(id)))
            && (!stated.groups || includes(&matches.groups, id))
            && (!stated.clients || includes(&matches.clients, id))
            && (rule.hours.is_empty() || rule.hours.iter().any(|hours| clock().is_in(*hours)))
            && (rule.days.is_empty() || rule.days.iter().any(|days| clock().is_on(*days)));
        if !holds {
            return Match::No;
        }
        let port = match query.port {
            _ if rule.ports.is_empty() => Match::Yes,
            Some(port) if rule.ports.iter().any(|ports| ports.contains(port)) => Match::Yes,
            Some(_) => Match::No,
            None => Match::Deferred,
        };
        let destination = if stated.names || stated.networks {
            matches.destination(id, rule, stated, query, protections)
        } else if rule.action().allows() && protections.any() {
            Match::No
        } else {
            Match::Yes
        };
        match (port, destination) {
            (Match::No, _) | (_, Match::No) => Match::No,
            (Match::Yes, Match::Yes) => Match::Yes,
            (Match::Deferred, _) | (_, Match::Deferred) => Match::Deferred,
        }
    }
}

impl<'a> Matches<'a> {
    /// All of them.
    fn all(&self) -> impl Iterator<Item = Found<'a>> {
        let named = self.names.iter().chain(&self.clients).chain(&self.groups);
        let networks = self.networks.iter().map(|(_, _, found)| found);
        named.chain(&self.user).chain(networks).copied()
    }

    /// Whether a rule that states destinations states this one.
    fn destination(
        &self,
        id: RuleId,
        rule: &Rule,
        stated: &Stated,
        query: &Query<'_>,
        protections: Protections,
    ) -> Match {
        let allows = rule.action().allows();
        let names = match protections.any() {
            true if allows => &self.special_names,
            _ => &self.names,
        };
        if includes(names, id) {
            return Match::Yes;
        }
        let Some(forms) = &query.forms else {
            // Another name does not match, but its address may.
            return if stated.networks || query.name.is_none() {
                Match::Deferred
            } else {
                Match::No
            };
        };
        let opened = if allows {
            self.opens(id, forms, protections)
        } else {
            self.networks.iter().any(|(_, _, found)| found.includes(id))
        };
        if opened { Match::Yes } else { Match::No }
    }

    /// Whether an allow rule's networks open an address: all that it stands for, and what is
    /// special about it.
    fn opens(&self, id: RuleId, forms: &AddressForms, protections: Protections) -> bool {
        let stated = |form: IpAddr, suffices: &dyn Fn(Reach) -> bool| {
            let mut around = self.networks.iter();
            around.any(|(of, reach, found)| *of == form && suffices(*reach) && found.includes(id))
        };
        if protections.own.is_some() && !forms.all().any(|form| stated(form, &|reach| reach.single))
        {
            return false;
        }
        let is_special = |form| {
            let is_special = match form == forms.written {
                true => forms.is_written_special,
                false => special_purpose::block(form).is_some(),
            };
            protections.special.is_some() && is_special
        };
        let mut embedded = forms.embedded.into_iter().flatten().peekable();
        if embedded.peek().is_none() {
            let special = is_special(forms.written);
            return stated(forms.written, &|reach| reach.special || !special);
        }
        if protections.special.is_none() && stated(forms.written, &|reach| reach.embedding) {
            return true;
        }
        let mut all = embedded.all(|form| {
            let special = is_special(form);
            stated(form, &|reach| reach.special || !special)
        });
        // ISATAP stands behind a prefix that may be special itself.
        if all && is_special(forms.written) {
            all = stated(forms.written, &|reach| reach.special);
        }
        all
    }
}

const fn effect(action: Action) -> Effect {
    match action {
        Action::Allow => Effect::Allowed,
        Action::Report => Effect::Reported,
        Action::Deny => Effect::Refused,
    }
}
