//! Rules that are built in code: conditions in time, names that nobody has, and where an error is.

use std::time::{Duration, SystemTime};

use tower_socks::{
    Identity, Request, Rules,
    proto::Command,
    rules::{Action, Network, Rule},
    session::Check,
};

/// Monday, 2026-11-23 00:00 UTC.
const MONDAY: Duration = Duration::from_secs(1_795_392_000);

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, "example.com:80".parse().unwrap());
    request.identity = Identity::named(user);
    request
}

#[test]
fn hours_and_days_are_those_of_the_zone_and_a_rule_has_a_name() {
    let office = Rule::new(Action::Allow)
        .named("office hours")
        .hours("08:00-18:00".parse().unwrap())
        .days("mon-fri".parse().unwrap());
    assert_eq!(office.name(), Some("office hours"));
    let rules = Rules::builder(Action::Deny)
        .time_zone("Europe/Berlin")
        .unwrap()
        .rule(office)
        .build();
    let at = |hours: u64| {
        let time = SystemTime::UNIX_EPOCH + MONDAY + Duration::from_secs(hours * 3600);
        let decision = rules.explain_at(&request("joe"), Check::Stated, time);
        (!decision.is_refused(), decision.to_string())
    };
    for (hour, allowed) in [
        (6, false),
        (7, true),
        (16, true),
        (17, false),
        (5 * 24 + 12, false),
    ] {
        let (is_allowed, text) = at(hour);
        assert_eq!(is_allowed, allowed, "{hour}: {text}");
        assert_eq!(text.contains("office hours"), allowed, "{text}");
    }
    let unknown = Rules::builder(Action::Deny).time_zone("Europe/Atlantis");
    assert!(unknown.unwrap_err().to_string().contains("Europe/Atlantis"));
}

#[test]
fn names_that_nobody_has_are_found_and_placed() {
    let is_user = |name: &str| ["joe", "jane"].contains(&name);
    let builder = |rule| {
        Rules::builder(Action::Deny)
            .rule(Rule::new(Action::Allow).user("joe"))
            .rule(rule)
    };
    let known = builder(Rule::new(Action::Allow).user("jane").group("staff"));
    assert!(
        known.check_names(is_user).is_ok(),
        "groups are somebody else's"
    );

    let user = builder(Rule::new(Action::Deny).user("jon"));
    let error = user.check_names(is_user).unwrap_err();
    assert_eq!(error.to_string(), "rule 2, user: there is no user `jon`");
    assert_eq!(error.location(), ["rules", "1", "user"]);

    let staff = builder(Rule::new(Action::Deny).group("stuff")).group("staff", ["joe"]);
    let error = staff.check_names(is_user).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule 2, group: there is no group `stuff`: the groups are staff"
    );
    let member = builder(Rule::new(Action::Deny).group("staff")).group("staff", ["joe", "jon"]);
    let error = member.check_names(is_user).unwrap_err();
    assert_eq!(error.to_string(), "group staff: there is no user `jon`");
    assert_eq!(error.location(), ["groups", "staff"]);
}

#[test]
fn networks_hold_addresses_in_either_form() {
    let network: Network = "192.0.2.0/24".parse().unwrap();
    assert!(network.contains("192.0.2.200".parse().unwrap()));
    assert!(network.contains("::ffff:192.0.2.200".parse().unwrap()));
    assert!(!network.contains("192.0.3.1".parse().unwrap()));
    let network: Network = "2001:db8::/32".parse().unwrap();
    assert!(network.contains("2001:db8:ffff::1".parse().unwrap()));
    assert!(!network.contains("2001:db9::1".parse().unwrap()));
}

#[test]
fn a_refusal_says_what_an_address_is_for() {
    let rules = Rules::default();
    let block = |address: &str| {
        let decision = rules.explain(&Request::new(Command::CONNECT, address.parse().unwrap()));
        decision
            .block()
            .map(|block| (block.network(), block.purpose()))
    };
    let (network, purpose) = block("127.0.0.1:80").unwrap();
    assert_eq!(network, "127.0.0.0/8");
    assert!(purpose.to_lowercase().contains("loopback"), "{purpose}");
    let (network, purpose) = block("[fd00::1]:80").unwrap();
    assert_eq!(network, "fc00::/7");
    assert!(purpose.contains("RFC 4193"), "{purpose}");
    assert_eq!(block("8.8.8.8:80"), None);
}

#[test]
fn without_a_rule_there_are_none() {
    let rules = Rules::builder(Action::Allow).build();
    assert!(rules.is_empty());
    assert_eq!(rules.len(), 0);
    let some = Rules::builder(Action::Allow)
        .rule(Rule::new(Action::Deny))
        .build();
    assert!(!some.is_empty());
}
