//! `RuleMap`: the first rule that applies chooses, whatever it would decide elsewhere.

use tower_socks::{
    Identity, Request,
    proto::Command,
    rules::{Action, Destination, Network, Rule, RuleMap},
};

fn request(target: &str) -> Request {
    Request::new(Command::CONNECT, target.parse().unwrap())
}

fn to(destination: &str) -> Rule {
    let destination: Destination = destination.parse().unwrap();
    Rule::new(Action::Deny).to(destination)
}

fn routes() -> RuleMap<&'static str> {
    let local: Network = "198.51.100.0/24".parse().unwrap();
    RuleMap::new([
        (to("*.onion"), "tor"),
        (to("10.0.0.0/8"), "vpn"),
        (Rule::new(Action::Report).client(local).port(25), "relay"),
        (Rule::new(Action::Allow).user("joe"), "joe's"),
        (to("hidden.onion"), "never"),
    ])
}

#[test]
fn the_first_rule_that_applies_chooses_even_if_it_would_deny() {
    let routes = routes();
    for (target, route) in [
        ("hidden.onion:80", Some("tor")),
        // Private addresses are like any other.
        ("10.1.2.3:80", Some("vpn")),
        ("[::ffff:10.1.2.3]:80", Some("vpn")),
        ("127.0.0.1:80", None),
        ("example.com:25", None),
    ] {
        assert_eq!(
            routes.choose(&request(target)).unwrap().copied(),
            route,
            "{target}"
        );
    }
    let mut mail = request("example.com:25");
    mail.peer = "198.51.100.7:50000".parse().unwrap();
    mail.identity = Identity::named("joe");
    assert_eq!(routes.choose(&mail).unwrap(), Some(&"relay"));
    mail.peer = "203.0.113.7:50000".parse().unwrap();
    assert_eq!(routes.choose(&mail).unwrap(), Some(&"joe's"));
}

#[test]
fn all_that_can_be_chosen_is_listed_in_order_and_clones_share_it() {
    let routes = routes();
    let expected = ["tor", "vpn", "relay", "joe's", "never"];
    assert_eq!(routes.values(), expected);
    let clone = routes.clone();
    drop(routes);
    assert_eq!(clone.values(), expected);
    assert_eq!(clone.choose(&request("a.onion:1")).unwrap(), Some(&"tor"));
    assert_eq!(
        RuleMap::<&str>::new([])
            .choose(&request("a.onion:1"))
            .unwrap(),
        None
    );
}
