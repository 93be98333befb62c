//! Rules that ask in which protocol a client asks.

use tower_socks::{
    Request, Rules,
    proto::Command,
    rules::{Action, Effect, Rule, RuleMap},
    session::{Policy, Protocol},
};

fn request(protocol: Protocol) -> Request {
    let mut request = Request::new(Command::CONNECT, "example.com:443".parse().unwrap());
    request.protocol = protocol;
    request
}

fn toml(rule: &str) -> Rules {
    let text = format!("default = 'allow'\nrules = [{{ action = 'deny', {rule} }}]");
    toml::from_str(&text).unwrap()
}

/// Whether each protocol is refused.
fn refused(rules: &Rules) -> [bool; 3] {
    Protocol::ALL.map(|protocol| rules.explain(&request(protocol)).effect() == Effect::Refused)
}

#[test]
fn one_several_or_any() {
    for (rule, expected) in [
        ("protocol = 'socks5'", [true, false, false]),
        ("protocol = 'socks4'", [false, true, false]),
        ("protocol = ['http']", [false, false, true]),
        ("protocol = ['http', 'socks4']", [false, true, true]),
        ("protocol = ['http', 'http']", [false, false, true]),
        ("protocol = ['socks5', 'socks4', 'http']", [true; 3]),
        ("port = 443", [true; 3]),
        // All conditions have to hold.
        ("protocol = 'http', port = 80", [false; 3]),
        (
            "protocol = 'http', to = 'example.com'",
            [false, false, true],
        ),
        ("protocol = 'http', command = 'bind'", [false; 3]),
    ] {
        assert_eq!(refused(&toml(rule)), expected, "{rule}");
    }
}

#[test]
fn in_code_and_in_json_as_in_toml() {
    let rule = Rule::new(Action::Deny)
        .protocol(Protocol::Http)
        .protocol(Protocol::Socks4);
    let rules = Rules::builder(Action::Allow).rule(rule).build();
    assert_eq!(refused(&rules), [false, true, true]);
    let json = r#"{"default":"allow","rules":[{"action":"deny","protocol":"http"}]}"#;
    let rules: Rules = serde_json::from_str(json).unwrap();
    assert_eq!(refused(&rules), [false, false, true]);
}

/// An address of a name, and the destination of a datagram, come in the protocol of their request.
#[test]
fn addresses_and_datagrams_are_those_of_their_request() {
    let rules = toml("protocol = 'http', to = '93.184.216.0/24'");
    let address = "93.184.216.34:443".parse().unwrap();
    for (protocol, allowed) in [(Protocol::Http, false), (Protocol::Socks5, true)] {
        let request = request(protocol);
        assert!(rules.check(&request).is_ok());
        assert_eq!(rules.check_address(&request, address).is_ok(), allowed);
    }

    let rules = toml("protocol = 'socks5', command = 'udp', port = 53");
    let mut associate = request(Protocol::Socks5);
    associate.command = Command::UDP_ASSOCIATE;
    let datagram = |port| associate.for_datagram(format!("1.1.1.1:{port}").parse().unwrap());
    assert!(rules.check(&datagram(53).unwrap()).is_err());
    assert!(rules.check(&datagram(54).unwrap()).is_ok());
}

/// What an upstream would resolve cannot be judged by networks, in the protocol that the rule states.
#[test]
fn names_that_cannot_be_judged() {
    let rules = toml("protocol = 'http', to = '93.184.216.0/24'");
    assert!(rules.check_name(&request(Protocol::Http)).is_err());
    assert!(rules.check_name(&request(Protocol::Socks4)).is_ok());
}

#[test]
fn a_route_by_protocol() {
    let routes = RuleMap::new([
        (Rule::new(Action::Allow).protocol(Protocol::Http), "web"),
        (Rule::new(Action::Allow), "rest"),
    ]);
    let route = |protocol| *routes.choose(&request(protocol)).unwrap().unwrap();
    assert_eq!(Protocol::ALL.map(route), ["rest", "rest", "web"]);
}
