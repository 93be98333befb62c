//! Rules that are never reached: what is found decides nothing.

use tower_socks::{
    Identity, Request, Rules,
    proto::{Address, Command},
    rules::{Action, Destination, Rule, RulesBuilder},
    session::Protocol,
};

fn to(text: &str) -> Destination {
    text.parse().unwrap()
}

/// The numbers of those that are found.
fn found(builder: &RulesBuilder) -> Vec<String> {
    let unreachable = builder.unreachable();
    unreachable
        .into_iter()
        .map(|it| format!("{} by {}", it.rule, it.earlier))
        .collect()
}

fn rules(rules: impl IntoIterator<Item = Rule>) -> RulesBuilder {
    Rules::builder(Action::Deny).with_rules(rules)
}

#[test]
fn a_rule_that_an_earlier_one_covers_is_found() {
    let deny = || Rule::new(Action::Deny);
    let allow = || Rule::new(Action::Allow);
    for (first, second) in [
        (deny(), allow().user("joe").port(80)),
        (
            deny().to(to("*.example.com")),
            deny().to(to("a.example.com")),
        ),
        (
            deny().to(to("10.0.0.0/8")),
            allow().to(to("10.1.0.0/16")).user("joe"),
        ),
        (
            deny().client("10.0.0.0/8".parse().unwrap()),
            allow().client("10.0.0.7".parse().unwrap()),
        ),
        (deny().port(1..=1000), allow().port(25)),
        (
            deny().protocol(Protocol::Http).protocol(Protocol::Socks5),
            deny().protocol(Protocol::Http),
        ),
        (
            allow().user("joe").user("jim"),
            allow().user("jim").command(Command::BIND),
        ),
        (allow(), deny().user("joe")),
        (
            allow().to(to("a.example")),
            deny().to(to("a.example")).port(25),
        ),
    ] {
        let builder = rules([first, second]);
        assert_eq!(found(&builder), ["rule 2 by rule 1"]);
    }
}

#[test]
fn a_rule_that_may_decide_is_not() {
    let deny = || Rule::new(Action::Deny);
    let allow = || Rule::new(Action::Allow);
    for (first, second) in [
        (deny().user("joe"), allow()),
        (deny().user("joe"), allow().group("staff")),
        (deny().port(25), allow().port(1..=1000)),
        // The name itself is not below it.
        (
            deny().to(to("*.example.com")),
            allow().to(to("example.com")),
        ),
        (
            deny().to(to("*.example.com")),
            allow().to(to("badexample.com")),
        ),
        (deny().to(to("0.0.0.0/0")), allow().to(to("::1"))),
        // It opens what is protected.
        (allow(), allow().to(to("192.168.1.7"))),
        (allow().to(to("0.0.0.0/0")), allow().to(to("192.168.1.7"))),
        // A name that an upstream resolves is refused because of it.
        (
            allow().to(to("192.0.2.0/24")),
            deny().to(to("192.0.2.0/24")),
        ),
        (
            deny().hours("08:00-18:00".parse().unwrap()),
            allow().hours("09:00-10:00".parse().unwrap()),
        ),
    ] {
        assert_eq!(found(&rules([first, second])), [""; 0]);
    }
    // The last one opens what the second keeps closed for joe.
    let opening = [allow(), deny().user("joe"), allow().to(to("192.168.1.7"))];
    assert_eq!(found(&rules(opening)), [""; 0]);
}

#[test]
fn a_thousand_rules_take_no_time() {
    let many = (0..1_000_u16).map(|port| {
        let rule = Rule::new(Action::Deny).port(port + 1);
        (0..50).fold(rule, |rule, user| rule.user(format!("user{user}")))
    });
    let builder = rules(many);
    let started = std::time::Instant::now();
    assert_eq!(found(&builder), [""; 0]);
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}

/// Numbers that look like chance, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        let sides = values.len() as u64;
        &values[usize::try_from(self.roll(sides)).unwrap()]
    }
}

const TARGETS: [&str; 9] = [
    "a.example:80",
    "b.a.example:443",
    "other.test:80",
    "8.8.8.8:80",
    "8.8.4.4:443",
    "192.168.1.7:80",
    "127.0.0.1:25",
    "10.1.2.3:443",
    "[2001:4860::1]:80",
];
const DESTINATIONS: [&str; 8] = [
    "a.example",
    "*.a.example",
    "*.example",
    "8.8.0.0/16",
    "8.8.8.8",
    "192.168.0.0/16",
    "192.168.1.7",
    "0.0.0.0/0",
];

fn any_rule(dice: &mut Dice) -> Rule {
    let mut rule = Rule::new(*dice.of(&[Action::Allow, Action::Deny]));
    for _ in 0..dice.roll(3) {
        rule = match dice.roll(4) {
            0 => rule.user(*dice.of(&["joe", "jim"])),
            1 => rule.port(*dice.of(&[25, 80])),
            2 => rule.command(*dice.of(&[Command::CONNECT, Command::UDP_ASSOCIATE])),
            _ => rule.to(to(dice.of::<&str>(&DESTINATIONS))),
        };
    }
    rule
}

/// Without the rules that are found everything is decided as with them.
#[test]
fn what_is_found_decides_nothing() {
    let mut dice = Dice(7);
    let mut seen = 0;
    for _ in 0..600 {
        let all: Vec<Rule> = (0..4).map(|_| any_rule(&mut dice)).collect();
        let mut builder = rules(all.clone());
        if dice.roll(2) == 0 {
            builder = builder.allow_private();
        }
        let unreachable: Vec<usize> = builder
            .unreachable()
            .iter()
            .map(|it| it.rule["rule ".len()..].parse().unwrap())
            .collect();
        seen += unreachable.len();
        let reached = all.iter().enumerate();
        let reached = reached.filter(|(at, _)| !unreachable.contains(&(at + 1)));
        let reached = builder
            .clone()
            .with_rules(reached.map(|(_, rule)| rule.clone()));
        let (with, without) = (builder.build(), reached.build());
        for target in TARGETS {
            for command in [Command::CONNECT, Command::UDP_ASSOCIATE] {
                for user in ["joe", "jim", "jane"] {
                    let mut request = Request::new(command, target.parse().unwrap());
                    request.identity = Identity::named(user);
                    let decided = |rules: &Rules| match &request.target {
                        Address::Ip(address) => {
                            vec![rules.explain_address(&request, *address).is_refused()]
                        }
                        // Resolved to each of these.
                        Address::Name(..) => ["8.8.8.8:80", "192.168.1.7:80", "10.1.2.3:80"]
                            .map(|address| {
                                rules
                                    .explain_address(&request, address.parse().unwrap())
                                    .is_refused()
                            })
                            .to_vec(),
                    };
                    assert_eq!(
                        decided(&with),
                        decided(&without),
                        "{target} {command:?} {user} {all:?}"
                    );
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}
