//! A small universe of users, clients, names, networks and addresses, in which rules overlap.

use std::{
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
};

use proptest::{
    prelude::*,
    sample::{select, subsequence},
};
use tower_socks::{
    Identity, Request, Rules,
    proto::{Address, Command},
    rules::{Action, Destination, Rule},
    session::Protocol,
};

use super::{
    ip,
    linear::{Asked, Known, Line, Place, Reading},
};

pub const PORTS: [u16; 4] = [80, 443, 1080, 8080];

const LOCAL: (&str, u16) = ("8.8.4.4", 1080);
const COMMANDS: [Command; 3] = [Command::CONNECT, Command::BIND, Command::UDP_ASSOCIATE];
const USERS: [&str; 3] = ["joe", "jane", "jim"];
/// With their users. Identities state others besides.
const GROUPS: [(&str, &[&str]); 3] = [
    ("staff", &["joe", "jane"]),
    ("night", &["jane"]),
    ("guests", &[]),
];
/// As the socket has it, and as rules have it.
const CLIENTS: [(&str, Option<&str>); 5] = [
    ("192.0.2.7", Some("192.0.2.7")),
    ("192.0.2.130", Some("192.0.2.130")),
    ("::ffff:192.0.2.7", Some("192.0.2.7")),
    ("2001:db8::7", Some("2001:db8::7")),
    ("0.0.0.0", None),
];
const CLIENT_NETWORKS: [&str; 6] = [
    "192.0.2.0/24",
    "192.0.2.7",
    "192.0.2.128/25",
    "0.0.0.0/0",
    "2001:db8::/32",
    "::/0",
];
const ACTIONS: &[Action] = &[
    Action::Allow,
    Action::Allow,
    Action::Deny,
    Action::Deny,
    Action::Report,
];
const PORT_RANGES: [(u16, u16); 6] = [
    (80, 80),
    (443, 443),
    (1, 1023),
    (1080, 1080),
    (0, 65535),
    (8000, 8999),
];

/// As clients write them.
pub const NAMES: [&str; 9] = [
    "a.example",
    "A.Example.",
    "b.example",
    "a.b.example",
    "X.a.b.example",
    "example",
    "a.test",
    "unknown.invalid",
    "aexample",
];

const PLACES: &str = "
    a.example b.example a.b.example example *.example *.b.example *.a.example *.a.b.example
    a.test *.test
    0.0.0.0/0 8.0.0.0/7 8.0.0.0/8 8.8.0.0/16 8.8.8.0/24 8.8.8.8 8.8.4.4 1.1.1.1
    10.0.0.0/7 10.0.0.0/8 10.1.0.0/16 10.1.2.3 127.0.0.0/8 224.0.0.0/3
    ::/0 2000::/3 2a00::/15 2a00::/16 2a00::1 2a00:1::1 fd00::/8 fe80::/10
    200::/7 4000::/2 8000::/2 64::/16 64:ff9b::/96 64:ff9b::a00:0/104 64:ff9b::808:808
    2002::/16 2002:808::/32 2001::/32 2001::/23 2001:0:808:808::/64
";

pub static ADDRESSES: LazyLock<Vec<Known>> = LazyLock::new(|| {
    // Teredo's servers and clients are 8.8.8.8 and 1.1.1.1, 10.1.2.3 and 8.8.8.8, and 8.8.8.8 and
    // 10.1.2.3.
    let addresses = "
        8.8.8.8 8.8.9.9 8.1.1.1 1.1.1.1 8.8.4.4 10.1.2.3 10.1.9.9 10.9.9.9 127.0.0.1 192.0.2.1
        255.255.255.255 ::ffff:8.8.8.8 ::ffff:10.1.2.3
        2a00::1 2a00:1::1 2b00::1 ::1 fd00::1 fe80::1 200::1 4000::1 8000::1 2001:1::1 2001:2::1
        64:ff9b::8.8.8.8 64:ff9b::8.8.4.4 64:ff9b::10.1.2.3 64:ff9b:1::1
        2002:808:808::1 2002:a01:203::1
        2001:0:808:808::fefe:fefe 2001:0:a01:203::f7f7:f7f7 2001:0:808:808::f5fe:fdfc
        2a00::5efe:8.8.8.8 2a00::200:5efe:10.1.2.3 fe80::5efe:8.8.8.8 fe80::5efe:10.1.2.3
    ";
    let addresses = addresses.split_whitespace();
    addresses.map(|address| Known::new(ip(address))).collect()
});

/// In how many rules of a hundred a condition is.
#[derive(Clone, Copy)]
pub struct Often {
    pub who: u32,
    pub what: u32,
    /// How many destinations of a hundred are some of many.
    pub many: u32,
}

fn place(often: Often) -> impl Strategy<Value = Place> {
    let many = (0..300_u32, 0..4_u8).prop_map(|(number, kind)| match kind {
        0 => format!("h{number}.example"),
        1 => format!("*.h{number}.example"),
        2 => format!("9.{}.0.0/16", number % 256),
        _ => format!("2a0a:{number}::/32"),
    });
    let places: Vec<&str> = PLACES.split_whitespace().collect();
    prop_oneof![
        100 - often.many => select(places).prop_map(String::from),
        often.many => many,
    ]
    .prop_map(|text| Place::new(&text))
}

pub fn line(often: Often) -> impl Strategy<Value = Line> {
    fn some<T: Clone + std::fmt::Debug + 'static>(
        often: u32,
        of: &[T],
    ) -> impl Strategy<Value = Vec<T>> + use<T> {
        prop_oneof![
            100 - often => Just(Vec::new()),
            often => subsequence(of.to_vec(), 1..=2),
        ]
    }
    let to = prop_oneof![
        100 - often.what => Just(Vec::new()),
        often.what => prop::collection::vec(place(often), 1..=3),
    ];
    let who = (
        some(often.who, &USERS),
        some(often.who, &GROUPS.map(|(group, _)| group)),
        some(often.who, &CLIENT_NETWORKS),
    );
    let what = (
        some(often.who, &Protocol::ALL),
        some(often.who, &COMMANDS),
        to,
        some(often.what, &PORT_RANGES),
    );
    (select(ACTIONS), who, what).prop_map(
        |(action, (users, groups, clients), (protocols, commands, to, ports))| Line {
            action,
            users,
            groups,
            clients: clients.into_iter().map(Place::new).collect(),
            protocols,
            commands,
            to,
            ports,
        },
    )
}

/// Rules of this many lines, and what surrounds them.
pub fn reading(
    lines: impl Into<prop::collection::SizeRange>,
    often: Often,
) -> impl Strategy<Value = Reading> {
    let defaults = [Action::Allow, Action::Deny, Action::Deny, Action::Report];
    let lines = prop::collection::vec(line(often), lines);
    // The wildcard is also on all of loopback, of which this has one.
    let own = [
        (LOCAL.0, LOCAL.1),
        ("2a00:1::1", 443),
        (LOCAL.0, 8080),
        ("127.0.0.1", 8080),
    ];
    let own = own.map(|(address, port)| (ip(address), port));
    (
        select(defaults.to_vec()),
        prop::bool::weighted(0.2),
        select(vec![1, 4]),
        lines,
    )
        .prop_map(move |(default, allow_private, listens, lines)| Reading {
            default,
            allow_private,
            own: own.iter().copied().take(listens).collect(),
            lines,
        })
}

/// The same rules for the library.
pub fn rules(reading: &Reading) -> Rules {
    let mut builder = Rules::builder(reading.default);
    for (group, users) in GROUPS {
        builder = builder.group(group, users.iter().copied());
    }
    if reading.own.len() > 1 {
        builder = builder.listening_on("[2a00:1::1]:443".parse().unwrap());
        builder = builder.listening_on("0.0.0.0:8080".parse().unwrap());
    }
    if reading.allow_private {
        builder = builder.allow_private();
    }
    for line in &reading.lines {
        let mut rule = Rule::new(line.action);
        rule = line.users.iter().fold(rule, |rule, user| rule.user(*user));
        rule = line
            .groups
            .iter()
            .fold(rule, |rule, group| rule.group(*group));
        for client in &line.clients {
            rule = rule.client(client.text.parse().unwrap());
        }
        rule = line
            .commands
            .iter()
            .fold(rule, |rule, command| rule.command(*command));
        rule = line
            .protocols
            .iter()
            .fold(rule, |rule, protocol| rule.protocol(*protocol));
        for place in &line.to {
            rule = rule.to(place.text.parse::<Destination>().unwrap());
        }
        for (first, last) in &line.ports {
            rule = rule.port(*first..=*last);
        }
        builder = builder.rule(rule);
    }
    builder.build()
}

#[derive(Clone, Debug)]
pub struct Client {
    pub protocol: Protocol,
    pub command: Command,
    pub port: u16,
    user: Option<&'static str>,
    groups: Vec<&'static str>,
    peer: (&'static str, Option<&'static str>),
}

#[derive(Clone, Debug)]
pub enum Target {
    /// An association, or BIND for anyone.
    Nowhere,
    Name(String),
    Literal(Known),
    /// A name that is an address.
    Disguised(Known),
}

pub fn client() -> impl Strategy<Value = Client> {
    (
        select(&Protocol::ALL[..]),
        select(&COMMANDS[..]),
        prop::option::weighted(0.8, select(&USERS[..])),
        subsequence(vec!["staff", "guests", "others"], 0..=2),
        select(&CLIENTS[..]),
        select(&PORTS[..]),
    )
        .prop_map(|(protocol, command, user, groups, peer, port)| Client {
            protocol,
            command,
            port,
            user,
            groups,
            peer,
        })
}

pub fn target() -> impl Strategy<Value = Target> {
    let known = || select(ADDRESSES.clone());
    prop_oneof![
        1 => Just(Target::Nowhere),
        3 => select(&NAMES[..]).prop_map(|name| Target::Name(name.to_owned())),
        1 => (0..300_u32).prop_map(|number| Target::Name(format!("h{number}.example"))),
        1 => (0..300_u32).prop_map(|number| Target::Name(format!("www.H{number}.example."))),
        2 => known().prop_map(Target::Literal),
        1 => known().prop_map(Target::Disguised),
    ]
}

impl Client {
    /// The request, as the library takes it. To nowhere goes no CONNECT: it goes to 0.0.0.0.
    pub fn request(&self, target: &Target) -> Request {
        let name = |name: &str| Address::new(name, self.port).unwrap();
        let at = |ip: IpAddr| Address::Ip(SocketAddr::new(ip, self.port));
        let nowhere = at(ip("0.0.0.0"));
        let goes_to = match target {
            Target::Nowhere => None,
            Target::Name(text) => Some(name(text)),
            Target::Literal(known) => Some(at(known.address)),
            Target::Disguised(known) => Some(name(&known.address.to_string())),
        };
        let associates = self.command == Command::UDP_ASSOCIATE;
        let stated = goes_to.clone().filter(|_| !associates).unwrap_or(nowhere);
        let mut request = Request::new(self.command, stated);
        request.protocol = self.protocol;
        request.peer = SocketAddr::new(ip(self.peer.0), 50000);
        request.local = SocketAddr::new(ip(LOCAL.0), LOCAL.1);
        let identity = self.user.map_or_else(Identity::anonymous, Identity::named);
        request.identity = identity.with_groups(self.groups.iter().copied());
        match goes_to {
            Some(target) if associates => request.for_datagram(target).unwrap(),
            _ => request,
        }
    }

    /// The same, as it is read one rule after the other.
    pub fn asked<'a>(&'a self, target: &'a Target) -> Asked<'a> {
        static ZEROS: LazyLock<Known> = LazyLock::new(|| Known::new(ip("0.0.0.0")));
        let (name, address) = match target {
            Target::Nowhere if self.command == Command::CONNECT => (None, Some(&*ZEROS)),
            Target::Nowhere => (None, None),
            Target::Name(text) => (Some(text.trim_end_matches('.').to_lowercase()), None),
            Target::Literal(known) | Target::Disguised(known) => (None, Some(known)),
        };
        let of_file = GROUPS
            .iter()
            .filter(|(_, users)| self.user.is_some_and(|user| users.contains(&user)));
        let somewhere = name.is_some() || address.is_some();
        Asked {
            protocol: self.protocol,
            command: self.command,
            name,
            somewhere,
            port: somewhere.then_some(self.port),
            user: self.user,
            groups: self
                .groups
                .iter()
                .copied()
                .chain(of_file.map(|(group, _)| *group))
                .collect(),
            client: self.peer.1.map(ip),
            address,
        }
    }
}
