//! `Rules`: the first rule that applies decides.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tower_socks::{
    Identity, Request, Rules,
    proto::{Command, ReplyCode},
    rules::{Action, Decision, Effect, Rule},
    session::{Check, Policy},
};

fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

fn request(command: Command, target: &str) -> Request {
    let mut request = Request::new(command, target.parse().unwrap());
    request.peer = "198.51.100.9:50000".parse().unwrap();
    request.local = "198.51.100.1:1080".parse().unwrap();
    request
}

fn connect(target: &str) -> Request {
    request(Command::CONNECT, target)
}

fn of(user: &str, mut request: Request) -> Request {
    request.identity = Identity::named(user);
    request
}

/// The number of the rule that allowed or refused, or 0 for the default.
fn decided(decision: &Decision) -> (Effect, usize) {
    (decision.effect(), decision.rule().unwrap_or_default())
}

const ALLOWED: Effect = Effect::Allowed;
const REFUSED: Effect = Effect::Refused;

#[test]
fn the_first_rule_that_applies_decides() {
    let rules = rules(
        r#"
        default = "deny"
        rules = [
            { action = "allow", to = "a.example" },
            { action = "deny", to = "*.example" },
            { action = "allow", port = 443 },
            { action = "deny", to = "a.example" },
        ]
        "#,
    );
    let asked = |target: &str| decided(&rules.explain(&connect(target)));
    assert_eq!(asked("a.example:443"), (ALLOWED, 1));
    assert_eq!(asked("b.example:443"), (REFUSED, 2));
    assert_eq!(asked("c.test:443"), (ALLOWED, 3));
    assert_eq!(asked("c.test:80"), (REFUSED, 0));
}

#[test]
fn every_condition_has_to_hold_and_one_value_of_a_list() {
    let rules = rules(
        r#"
        default = "deny"

        [groups]
        staff = ["joe", "jane"]

        [[rules]]
        action = "allow"
        group = "staff"
        client = ["192.0.2.0/24", "198.51.100.0/24"]
        command = ["connect", "udp"]
        to = ["example.com", "8.8.8.0/24"]
        port = [53, "8000-8999"]
        "#,
    );
    let outcome = |request: &Request| rules.explain(request).effect();
    let good = of("jane", connect("example.com:8500"));
    assert_eq!(outcome(&good), ALLOWED);
    assert_eq!(outcome(&of("joe", connect("8.8.8.8:53"))), ALLOWED);

    assert_eq!(outcome(&of("jim", connect("example.com:8500"))), REFUSED);
    assert_eq!(outcome(&connect("example.com:8500")), REFUSED);
    assert_eq!(outcome(&of("joe", connect("example.com:9000"))), REFUSED);
    // Its address may be the one.
    assert_eq!(outcome(&of("joe", connect("example.org:53"))), Effect::Open);
    assert_eq!(outcome(&of("joe", connect("8.8.9.8:53"))), REFUSED);
    let bind = of("joe", request(Command::BIND, "8.8.8.8:53"));
    assert_eq!(outcome(&bind), REFUSED);
    let mut elsewhere = good;
    elsewhere.peer = "203.0.113.1:50000".parse().unwrap();
    assert_eq!(outcome(&elsewhere), REFUSED);
}

#[test]
fn groups_of_the_identity_count_as_well() {
    let rules = rules("default = \"deny\"\n[[rules]]\naction = \"allow\"\ngroup = \"staff\"");
    let mut request = connect("example.com:80");
    request.identity = Identity::named("joe").with_groups(["night", "staff"]);
    assert_eq!(rules.explain(&request).effect(), ALLOWED);
    request.identity = Identity::named("joe").with_groups(["night"]);
    assert_eq!(rules.explain(&request).effect(), REFUSED);
}

#[test]
fn a_user_whose_name_is_no_text_is_no_user_of_a_rule() {
    let rules = rules("default = \"deny\"\n[[rules]]\naction = \"allow\"\nuser = \"\u{fffd}\"");
    let mut request = connect("example.com:80");
    request.identity = Identity::named(b"\xff");
    assert_eq!(rules.explain(&request).effect(), REFUSED);
}

#[test]
fn a_star_takes_what_is_below_and_not_the_name_itself() {
    let rules = rules(
        r#"
        default = "deny"
        rules = [
            { action = "allow", to = "exact.example" },
            { action = "allow", to = "*.below.example" },
        ]
        "#,
    );
    let asked = |target: &str| decided(&rules.explain(&connect(target)));
    assert_eq!(asked("exact.example:1"), (ALLOWED, 1));
    assert_eq!(asked("a.exact.example:1"), (REFUSED, 0));
    assert_eq!(asked("below.example:1"), (REFUSED, 0));
    assert_eq!(asked("a.below.example:1"), (ALLOWED, 2));
    assert_eq!(asked("a.b.c.below.example:1"), (ALLOWED, 2));
    assert_eq!(asked("abelow.example:1"), (REFUSED, 0));
}

#[test]
fn a_name_is_refused_at_once_only_where_no_address_could_change_that() {
    let rules = rules(
        r#"
        default = "deny"
        rules = [
            { action = "deny", to = "bad.example" },
            { action = "allow", user = "joe", to = "8.8.8.0/24" },
            { action = "deny", to = "9.9.9.0/24" },
            { action = "allow", to = "good.example" },
        ]
        "#,
    );
    let asked = |request: &Request| decided(&rules.explain(request));
    let at = |request: &Request, ip: &str| {
        let address = SocketAddr::new(ip.parse().unwrap(), request.target.port());
        decided(&rules.explain_address(request, address))
    };
    let other = connect("other.example:80");
    assert_eq!(asked(&other), (REFUSED, 0));
    let joe = of("joe", connect("other.example:80"));
    assert_eq!(asked(&joe), (Effect::Open, 2));
    assert_eq!(at(&joe, "8.8.8.8"), (ALLOWED, 2));
    assert_eq!(at(&joe, "8.8.9.8"), (REFUSED, 0));
    assert_eq!(asked(&of("joe", connect("bad.example:80"))), (REFUSED, 1));
    let good = connect("good.example:80");
    assert_eq!(asked(&good), (ALLOWED, 4));
    assert_eq!(at(&good, "9.9.9.9"), (REFUSED, 3));
    assert_eq!(at(&good, "1.1.1.1"), (ALLOWED, 4));
}

#[test]
fn an_association_is_not_judged_by_where_its_client_sends_from() {
    let policy = Rules::default();
    let associate = request(Command::UDP_ASSOCIATE, "127.0.0.1:5000");
    assert!(policy.check(&associate).is_ok());
    let no_udp = rules("default = \"allow\"\n[[rules]]\naction = \"deny\"\ncommand = \"udp\"");
    assert!(no_udp.check(&associate).is_err());
    let somewhere = rules("default = \"deny\"\n[[rules]]\naction = \"allow\"\nport = 53");
    assert!(somewhere.check(&associate).is_ok());
    let datagram = associate
        .for_datagram("8.8.8.8:53".parse().unwrap())
        .unwrap();
    assert!(somewhere.check(&datagram).is_ok());
    let datagram = associate
        .for_datagram("8.8.8.8:54".parse().unwrap())
        .unwrap();
    assert!(somewhere.check(&datagram).is_err());
    let datagram = associate
        .for_datagram("127.0.0.1:53".parse().unwrap())
        .unwrap();
    assert!(policy.check(&datagram).is_err());
}

#[test]
fn bind_to_anyone_is_judged_by_who_comes() {
    let policy = Rules::default();
    let bind = request(Command::BIND, "0.0.0.0:21");
    assert!(policy.check(&bind).is_ok());
    assert!(
        policy
            .check_address(&bind, "8.8.8.8:20".parse().unwrap())
            .is_ok()
    );
    assert!(
        policy
            .check_address(&bind, "10.0.0.8:20".parse().unwrap())
            .is_err()
    );
    let ftp =
        rules("default = \"deny\"\n[[rules]]\naction = \"allow\"\ncommand = \"bind\"\nport = 21");
    assert!(
        ftp.check_address(&bind, "8.8.8.8:20".parse().unwrap())
            .is_ok()
    );
}

#[test]
fn time_and_weekday_are_those_of_the_time_zone() {
    let rules = rules(
        r#"
        default = "deny"
        time_zone = "Europe/Berlin"
        rules = [
            { action = "allow", time = "08:00-18:00", weekday = "mon-fri" },
            { action = "allow", time = "22:00-02:00", weekday = ["sat", "sun"] },
        ]
        "#,
    );
    // Monday, 2026-11-23 00:00 UTC, which is 01:00 in Berlin.
    let monday = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_392_000);
    let at = |hours: f64| {
        let time = monday + Duration::from_secs_f64(hours * 3600.0);
        let decision = rules.explain_at(&connect("example.com:80"), Check::Stated, time);
        decided(&decision)
    };
    assert_eq!(at(6.99), (REFUSED, 0));
    assert_eq!(at(7.0), (ALLOWED, 1));
    assert_eq!(at(16.99), (ALLOWED, 1));
    assert_eq!(at(17.0), (REFUSED, 0));
    let saturday = 5.0 * 24.0;
    assert_eq!(at(saturday + 12.0), (REFUSED, 0));
    assert_eq!(at(saturday + 21.5), (ALLOWED, 2));
    assert_eq!(at(saturday + 24.5), (ALLOWED, 2));
    // 01:30 on Monday is not on a Sunday any more.
    assert_eq!(at(saturday + 48.5), (REFUSED, 0));
}

#[test]
fn report_lets_pass() {
    let rules = rules("default = \"deny\"\n[[rules]]\naction = \"report\"\nto = \"*.example\"");
    let reported = connect("a.example:80");
    assert!(rules.check(&reported).is_ok());
    assert_eq!(decided(&rules.explain(&reported)), (Effect::Reported, 1));
    let address = "10.0.0.1:80".parse().unwrap();
    assert!(rules.check_address(&reported, address).is_err());
}

#[test]
fn a_refusal_is_02_and_says_which_rule_and_what_would_allow_it() {
    let rules = rules(
        r#"
        default = "deny"
        rules = [{ action = "deny", name = "no mail", port = 25 }, { action = "allow", port = 80 }]
        "#,
    );
    let refused = |target: &str| {
        let refusal = rules.check(&connect(target)).unwrap_err();
        assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED);
        refusal.to_string()
    };
    let mail = refused("mail.example:25");
    assert!(
        mail.starts_with("CONNECT mail.example:25 is refused by rule 1 (no mail)"),
        "{mail}"
    );
    let default = refused("web.example:443");
    assert!(default.contains("refused by default") && default.contains("action = \"allow\""));
    let special = refused("10.1.2.3:80");
    assert!(
        special.contains("private use (RFC 1918), 10.0.0.0/8"),
        "{special}"
    );
    assert!(special.contains("to = \"10.0.0.0/8\"") && special.contains("allow_private"));
    let own = refused("198.51.100.1:1080");
    assert!(own.contains("self-connection"), "{own}");
    for text in [special, own] {
        assert!(text.contains("allow_private = true"), "{text}");
    }
}

#[test]
fn rules_are_written_in_code_as_well() {
    let rules = Rules::builder(Action::Deny)
        .group("staff", ["joe"])
        .rule(
            Rule::new(Action::Allow)
                .group("staff")
                .port(1..=99)
                .command(Command::CONNECT),
        )
        .build();
    assert_eq!(rules.len(), 1);
    assert_eq!(
        rules.explain(&of("joe", connect("a.example:80"))).effect(),
        ALLOWED
    );
    assert_eq!(
        rules.explain(&of("jim", connect("a.example:80"))).effect(),
        REFUSED
    );
}

#[test]
fn json_is_read_like_toml() {
    let text =
        r#"{"default": "deny", "rules": [{"action": "allow", "to": ["a.example"], "port": 80}]}"#;
    let rules: Rules = serde_json::from_str(text).unwrap();
    assert_eq!(rules.explain(&connect("a.example:80")).effect(), ALLOWED);
    assert_eq!(rules.explain(&connect("a.example:81")).effect(), REFUSED);
}

#[test]
fn rules_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    shared::<Rules>();
    shared::<Decision>();
}

#[test]
fn a_name_that_is_handed_on_is_judged_by_what_is_known_of_it() {
    let judge = |rules: &str, target: &str| {
        let rules: Rules = toml::from_str(rules).unwrap();
        let request = Request::new(Command::CONNECT, target.parse().unwrap());
        let decision = rules.explain_name(&request);
        let check = rules.check_name(&request);
        assert_eq!(check.is_err(), decision.is_refused(), "{decision}");
        (decision.effect(), decision.rule())
    };
    let networks = r#"
        default = "deny"
        rules = [
            { action = "allow", to = "192.0.2.0/24" },
            { action = "allow", to = ["*.example.com", "198.51.100.0/24"] },
        ]
    "#;
    // As stated it is open, since an address may make it allowed; with remote DNS, none will come.
    let rules: Rules = toml::from_str(networks).unwrap();
    let other = Request::new(Command::CONNECT, "other.example:80".parse().unwrap());
    assert_eq!(rules.explain(&other).effect(), Effect::Open);
    assert_eq!(judge(networks, "other.example:80"), (Effect::Refused, None));
    assert_eq!(
        judge(networks, "www.example.com:80"),
        (Effect::Allowed, Some(2))
    );

    let denied = r#"
        default = "allow"
        rules = [
            { action = "report", port = 25 },
            { action = "allow", to = "good.example" },
            { action = "deny", to = "192.0.2.0/24", port = [80, 443] },
            { action = "deny", to = "*.example.com" },
        ]
    "#;
    // It may lie in that network, and nobody here will know.
    assert_eq!(
        judge(denied, "other.example:80"),
        (Effect::Refused, Some(3))
    );
    assert_eq!(judge(denied, "other.example:81"), (Effect::Allowed, None));
    assert_eq!(judge(denied, "good.example:80"), (Effect::Allowed, Some(2)));
    assert_eq!(
        judge(denied, "www.example.com:81"),
        (Effect::Refused, Some(4))
    );
    assert_eq!(
        judge(denied, "other.example:25"),
        (Effect::Reported, Some(1))
    );
    let rules: Rules = toml::from_str(denied).unwrap();
    let said = rules.explain_name(&other).to_string();
    assert!(
        said.contains("rule 3 is about addresses") && said.contains("allow_unresolved = true"),
        "{said}"
    );
    let unresolved = format!("allow_unresolved = true\n{denied}");
    assert_eq!(
        judge(&unresolved, "other.example:80"),
        (Effect::Allowed, None)
    );
    assert_eq!(
        judge(&unresolved, "www.example.com:81"),
        (Effect::Refused, Some(4))
    );
    // A name that is an address has one.
    assert_eq!(judge(networks, "192.0.2.1:80"), (Effect::Allowed, Some(1)));
    assert_eq!(
        judge("default = \"allow\"", "127.0.0.1:80").0,
        Effect::Refused
    );
}
