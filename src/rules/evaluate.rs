//! The first rule that applies.

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::{
    Rule, Rules,
    address_forms::Faces,
    explain::Decider,
    index::{Candidates, Found, Keys, Reach, includes},
    postings::RuleId,
    query::Question,
    rules::Stated,
    special_purpose::{self, SpecialPurpose},
};
use crate::session::Request;

/// What a rule, or the rules together, have to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Decided(Decider),
    /// This rule may let it pass, once there is an address.
    Open(RuleId),
}

/// Whether a rule applies.
enum Applies {
    Yes,
    No,
    /// It depends on the address, which is not known yet.
    Perhaps,
}

/// The keys of a question.
struct Hits<'a> {
    names: Keys<'a>,
    networks: SmallVec<[(IpAddr, Reach, Found<'a>); 4]>,
    clients: Keys<'a>,
    user: Option<Found<'a>>,
    groups: Keys<'a>,
}

/// What stands between an allow rule and an address, unless the rule states the address.
#[derive(Clone, Copy)]
struct Hurdles {
    special: Option<&'static SpecialPurpose>,
    own: bool,
}

impl Hurdles {
    const fn any(self) -> bool {
        self.special.is_some() || self.own
    }
}

impl Rules {
    pub(super) fn judge(&self, question: &Question<'_>) -> Answer {
        let hurdles = self.hurdles(question);
        if !self.0.rules.is_empty() {
            let hits = self.hits(question);
            let mut candidates = Candidates::new(&self.0.index, hits.all());
            if question.faces.is_none() {
                candidates = candidates.with_hopeful(&self.0.index, hits.all());
            }
            for id in candidates {
                let Some(rule) = self.0.rules.get(id as usize) else {
                    continue; // the index knows no other numbers
                };
                match self.applies(id, rule, question, &hits, hurdles) {
                    Applies::Yes => return Answer::Decided(Decider::Rule(id)),
                    Applies::Perhaps if rule.action().lets_pass() => return Answer::Open(id),
                    Applies::Perhaps | Applies::No => {}
                }
            }
        }
        Answer::Decided(match hurdles {
            Hurdles { own: true, .. } => Decider::Own,
            Hurdles {
                special: Some(block),
                ..
            } => Decider::Special(block),
            Hurdles {
                special: None,
                own: false,
            } => Decider::Default,
        })
    }

    fn hurdles(&self, question: &Question<'_>) -> Hurdles {
        match question.faces {
            Some(faces) if !self.0.allow_private => Hurdles {
                special: faces.special,
                own: self.is_own(question.request, &faces, question.port),
            },
            _ => Hurdles {
                special: None,
                own: false,
            },
        }
    }

    /// Whether the proxy itself listens there.
    fn is_own(&self, request: &Request, faces: &Faces, port: Option<u16>) -> bool {
        let listens = |own: &SocketAddr| {
            let ip = own.ip().to_canonical();
            // A wildcard listens on the address on which the client came.
            let ip = if ip.is_unspecified() {
                request.local.ip().to_canonical()
            } else {
                ip
            };
            Some(own.port()) == port && faces.all().any(|face| face == ip)
        };
        let reached = Some(&request.local).filter(|local| !local.ip().is_unspecified());
        self.0.own.iter().chain(reached).any(listens)
    }

    /// What an allow rule has to state in `to`, as TOML has it, to open an address that no other
    /// rule opens.
    pub(super) fn opened_by(&self, question: &Question<'_>) -> Option<String> {
        let hurdles = self.hurdles(question);
        let faces = question.faces.filter(|_| hurdles.any())?;
        let stated = |face: IpAddr| match special_purpose::block(face) {
            Some(block) if !hurdles.own && !block.is_reserved() => block.network().to_owned(),
            _ => face.to_string(),
        };
        let mut needed: Vec<String> = faces.embedded.into_iter().flatten().map(stated).collect();
        if needed.is_empty() || special_purpose::block(faces.written).is_some() {
            needed.push(stated(faces.written));
        }
        needed.dedup();
        Some(match &*needed {
            [one] => format!("{one:?}"),
            several => format!("{several:?}"),
        })
    }

    fn hits<'a>(&'a self, question: &Question<'_>) -> Hits<'a> {
        let index = &self.0.index;
        let identity = &question.request.identity;
        let user = identity
            .name()
            .and_then(|name| std::str::from_utf8(name).ok());
        let stated = identity
            .groups()
            .iter()
            .filter_map(|group| index.group(group));
        let listed = user.and_then(|user| self.0.groups.get(user));
        let listed = listed.into_iter().flatten();
        let listed = listed.filter_map(|group| index.group(group));
        let client = question.request.peer.ip().to_canonical();
        let faces = question.faces.iter().flat_map(Faces::all);
        Hits {
            names: match &question.name {
                Some(name) => index.names(name),
                None => Keys::new(),
            },
            networks: faces
                .flat_map(|face| {
                    let around = index.networks(face);
                    around.map(move |(reach, found)| (face, reach, found))
                })
                .collect(),
            clients: if client.is_unspecified() {
                Keys::new()
            } else {
                index.clients(client)
            },
            user: user.and_then(|user| index.user(user)),
            groups: stated.chain(listed).collect(),
        }
    }

    fn applies(
        &self,
        id: RuleId,
        rule: &Rule,
        question: &Question<'_>,
        hits: &Hits<'_>,
        hurdles: Hurdles,
    ) -> Applies {
        let Some(stated) = self.0.stated.get(id as usize) else {
            return Applies::No;
        };
        let clock = || question.moment(&self.0.zone);
        let holds = (rule.commands.is_empty() || rule.commands.contains(&question.request.command))
            && (!stated.users || hits.user.is_some_and(|found| found.includes(id)))
            && (!stated.groups || includes(&hits.groups, id))
            && (!stated.clients || includes(&hits.clients, id))
            && (rule.hours.is_empty() || rule.hours.iter().any(|hours| clock().is_in(*hours)))
            && (rule.days.is_empty() || rule.days.iter().any(|days| clock().is_on(*days)));
        if !holds {
            return Applies::No;
        }
        let port = match question.port {
            _ if rule.ports.is_empty() => Applies::Yes,
            Some(port) if rule.ports.iter().any(|ports| ports.contains(port)) => Applies::Yes,
            Some(_) => Applies::No,
            None => Applies::Perhaps,
        };
        let destination = if stated.names || stated.networks {
            hits.reach(id, rule, stated, question, hurdles)
        } else if rule.action().lets_pass() && hurdles.any() {
            Applies::No
        } else {
            Applies::Yes
        };
        match (port, destination) {
            (Applies::No, _) | (_, Applies::No) => Applies::No,
            (Applies::Yes, Applies::Yes) => Applies::Yes,
            (Applies::Perhaps, _) | (_, Applies::Perhaps) => Applies::Perhaps,
        }
    }
}

impl<'a> Hits<'a> {
    fn all(&self) -> impl Iterator<Item = Found<'a>> {
        let named = self.names.iter().chain(&self.clients).chain(&self.groups);
        let networks = self.networks.iter().map(|(_, _, found)| found);
        named.chain(&self.user).chain(networks).copied()
    }

    /// Whether a rule that states destinations states this one.
    fn reach(
        &self,
        id: RuleId,
        rule: &Rule,
        stated: &Stated,
        question: &Question<'_>,
        hurdles: Hurdles,
    ) -> Applies {
        let lets_pass = rule.action().lets_pass();
        if includes(&self.names, id) && !(lets_pass && hurdles.any()) {
            return Applies::Yes;
        }
        let Some(faces) = &question.faces else {
            // Another name is no reason to hope, but its address may be.
            let may_come = !question.handed_on && (stated.networks || question.name.is_none());
            return if may_come {
                Applies::Perhaps
            } else {
                Applies::No
            };
        };
        let applies = if lets_pass {
            self.opens(id, faces, hurdles)
        } else {
            self.networks.iter().any(|(_, _, found)| found.includes(id))
        };
        if applies { Applies::Yes } else { Applies::No }
    }

    /// Whether an allow rule's networks open an address: all that it stands for, and what is
    /// special about it.
    fn opens(&self, id: RuleId, faces: &Faces, hurdles: Hurdles) -> bool {
        let stated = |face: IpAddr, suffices: &dyn Fn(Reach) -> bool| {
            let mut around = self.networks.iter();
            around.any(|(of, reach, found)| *of == face && suffices(*reach) && found.includes(id))
        };
        if hurdles.own && !faces.all().any(|face| stated(face, &|reach| reach.single)) {
            return false;
        }
        let is_special = |face| hurdles.special.is_some() && special_purpose::block(face).is_some();
        let mut embedded = faces.embedded.into_iter().flatten().peekable();
        if embedded.peek().is_none() {
            let special = is_special(faces.written);
            return stated(faces.written, &|reach| reach.special || !special);
        }
        if hurdles.special.is_none() && stated(faces.written, &|reach| reach.form) {
            return true;
        }
        let mut all = embedded.all(|face| {
            let special = is_special(face);
            stated(face, &|reach| reach.special || !special)
        });
        // ISATAP stands behind a prefix that may be special itself.
        if all && is_special(faces.written) {
            all = stated(faces.written, &|reach| reach.special);
        }
        all
    }
}
