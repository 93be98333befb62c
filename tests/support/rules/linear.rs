//! Rules read one after the other, each condition by itself: what the index has to come to.

use std::{net::IpAddr, sync::LazyLock};

use tower_socks::{
    proto::Command,
    rules::{Action, Effect},
    session::Protocol,
};

use super::{FORMS, SpecialPurpose, V4, V6, address, block, is_special, number};

/// A rule as it is written.
#[derive(Clone, Debug)]
pub struct Line {
    pub action: Action,
    pub users: Vec<&'static str>,
    pub groups: Vec<&'static str>,
    pub clients: Vec<Place>,
    pub protocols: Vec<Protocol>,
    pub commands: Vec<Command>,
    pub to: Vec<Place>,
    pub ports: Vec<(u16, u16)>,
}

/// What stands in `to` or `client`.
#[derive(Clone, Debug)]
pub struct Place {
    pub text: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Name,
    Network {
        block: SpecialPurpose,
        /// It lies in a special-purpose block.
        opens: bool,
        /// It lies in a form that embeds IPv4 addresses.
        form: bool,
    },
}

impl Place {
    pub fn new(text: &str) -> Self {
        let is_name = text.contains(|letter| matches!(letter, '*' | 'g'..='z'));
        let kind = if is_name {
            Kind::Name
        } else {
            let block = block(text);
            let in_form = |form: &&str| self::block(form).includes(&block);
            Kind::Network {
                block,
                opens: lies_in_a_special_block(&block),
                form: FORMS.iter().any(in_form),
            }
        };
        Self {
            text: text.to_owned(),
            kind,
        }
    }

    fn is_network(&self) -> bool {
        matches!(self.kind, Kind::Network { .. })
    }

    fn names(&self, name: &str) -> bool {
        match (&self.kind, self.text.strip_prefix('*')) {
            (Kind::Network { .. }, _) => false,
            // With the dot.
            (Kind::Name, Some(suffix)) => name.ends_with(suffix),
            (Kind::Name, None) => name == self.text,
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        matches!(&self.kind, Kind::Network { block, .. } if block.contains(address))
    }
}

fn lies_in_a_special_block(network: &SpecialPurpose) -> bool {
    static GIVEN: LazyLock<Vec<SpecialPurpose>> = LazyLock::new(|| {
        let registries = V4.iter().chain(V6);
        let given = registries.filter(|(_, named)| *named != "::/0");
        given.map(|(registered, _)| block(registered)).collect()
    });
    GIVEN.iter().any(|block| block.includes(network))
        || !network.is_v4
            && !block("2000::/3").overlaps(network)
            && !GIVEN.iter().any(|block| block.overlaps(network))
}

/// An address as written, what it embeds, and what is special about these.
#[derive(Clone, Debug)]
pub struct Known {
    pub address: IpAddr,
    written: (IpAddr, bool),
    embedded: Vec<(IpAddr, bool)>,
}

impl Known {
    pub fn new(stated: IpAddr) -> Self {
        let (is_v4, bits) = number(stated);
        let octets = |shift: u32| address(true, (bits >> shift) & 0xffff_ffff);
        let starts = |prefix: &str| !is_v4 && block(prefix).contains(stated);
        let interface = bits & (0xfdff_ffff_u128 << 32);
        let (written, embedded) = if starts("::ffff:0:0/96") {
            (octets(0), vec![])
        } else if starts("64:ff9b::/96") {
            (stated, vec![octets(0)])
        } else if starts("2002::/16") {
            (stated, vec![octets(80)])
        } else if starts("2001::/32") {
            (stated, vec![octets(64), address(true, !bits & 0xffff_ffff)])
        } else if !is_v4 && interface == 0x5efe << 32 {
            (stated, vec![octets(0)])
        } else {
            (stated, vec![])
        };
        let with_special = |address| (address, is_special(address));
        Self {
            address: stated,
            written: with_special(written),
            embedded: embedded.into_iter().map(with_special).collect(),
        }
    }

    fn faces(&self) -> impl Iterator<Item = &(IpAddr, bool)> {
        self.embedded.iter().chain([&self.written])
    }

    fn is_special(&self) -> bool {
        self.faces().any(|(_, special)| *special)
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    pub protocol: Protocol,
    pub command: Command,
    /// In small letters, without dots at its end.
    pub name: Option<String>,
    /// Whether it goes somewhere, known or not.
    pub somewhere: bool,
    pub port: Option<u16>,
    pub user: Option<&'a str>,
    pub groups: Vec<&'a str>,
    pub client: Option<IpAddr>,
    pub address: Option<&'a Known>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Perhaps,
    Yes,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// All rules and what surrounds them.
#[derive(Clone, Debug)]
pub struct Reading {
    pub default: Action,
    pub allow_private: bool,
    /// Where the proxy listens, wildcards already made addresses.
    pub own: Vec<(IpAddr, u16)>,
    pub lines: Vec<Line>,
}

fn or_empty<T>(values: &[T], any: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(any)
}

impl Reading {
    /// The effect, and the number of the rule from 1, 0 if there is none.
    pub fn decides(&self, asked: &Asked<'_>) -> (Effect, usize) {
        for (number, line) in (1..).zip(&self.lines) {
            match (self.holds(line, asked), line.action) {
                (Holds::Yes, action) => return (effect(action), number),
                (Holds::Perhaps, Action::Allow | Action::Report) => return (Effect::Open, number),
                (Holds::Perhaps, Action::Deny) | (Holds::No, _) => {}
            }
        }
        if self.is_barred(asked) {
            return (Effect::Refused, 0);
        }
        (effect(self.default), 0)
    }

    fn is_own(&self, asked: &Asked<'_>) -> bool {
        !self.allow_private
            && asked.address.is_some_and(|known| {
                let here = |(own, port): &(IpAddr, u16)| {
                    (Some(*port) == asked.port || !own.is_loopback())
                        && known.faces().any(|(face, _)| face == own)
                };
                self.own.iter().any(here)
            })
    }

    /// Whether something stands between the default and an address.
    pub fn is_barred(&self, asked: &Asked<'_>) -> bool {
        let special = asked.address.is_some_and(Known::is_special);
        (special && !self.allow_private) || self.is_own(asked)
    }

    fn holds(&self, line: &Line, asked: &Asked<'_>) -> Holds {
        let about_client = or_empty(&line.users, |user| asked.user == Some(user))
            && or_empty(&line.groups, |group| asked.groups.contains(group))
            && or_empty(&line.clients, |network| {
                asked.client.is_some_and(|client| network.contains(client))
            })
            && or_empty(&line.protocols, |protocol| asked.protocol == *protocol)
            && or_empty(&line.commands, |command| asked.command == *command);
        let port = match asked.port {
            Some(port) => or_empty(&line.ports, |(first, last)| {
                (*first..=*last).contains(&port)
            })
            .into(),
            None if line.ports.is_empty() => Holds::Yes,
            None => Holds::Perhaps,
        };
        Holds::from(about_client)
            .min(port)
            .min(self.goes_there(line, asked))
    }

    fn goes_there(&self, line: &Line, asked: &Asked<'_>) -> Holds {
        let denies = line.action == Action::Deny;
        if denies || !self.is_barred(asked) {
            let named = |place: &Place| asked.name.as_ref().is_some_and(|name| place.names(name));
            if or_empty(&line.to, named) {
                return Holds::Yes;
            }
        }
        let Some(known) = asked.address else {
            let may = !asked.somewhere || line.to.iter().any(Place::is_network);
            return if may { Holds::Perhaps } else { Holds::No };
        };
        let stated = |face: IpAddr| line.to.iter().any(|place| place.contains(face));
        if denies {
            return known.faces().any(|(face, _)| stated(*face)).into();
        }
        self.opens(line, known, self.is_own(asked)).into()
    }

    fn opens(&self, line: &Line, known: &Known, own: bool) -> bool {
        let states = |face: IpAddr, suffices: &dyn Fn(&SpecialPurpose, bool, bool) -> bool| {
            line.to.iter().any(|place| match &place.kind {
                Kind::Name => false,
                Kind::Network { block, opens, form } => {
                    block.contains(face) && suffices(block, *opens, *form)
                }
            })
        };
        let opened = |(face, special): &(IpAddr, bool)| {
            states(*face, &|_, opens, _| {
                opens || !special || self.allow_private
            })
        };
        if own
            && !known
                .faces()
                .any(|(face, _)| states(*face, &|block, _, _| block.is_single()))
        {
            return false;
        }
        if known.embedded.is_empty() {
            return opened(&known.written);
        }
        let barred = known.is_special() && !self.allow_private;
        if !barred && states(known.written.0, &|_, _, form| form) {
            return true;
        }
        let plain = !known.written.1 || self.allow_private;
        known.embedded.iter().all(opened) && (plain || opened(&known.written))
    }
}

fn effect(action: Action) -> Effect {
    match action {
        Action::Allow => Effect::Allowed,
        Action::Deny => Effect::Refused,
        Action::Report => Effect::Reported,
    }
}
