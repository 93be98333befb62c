//! Special-purpose names, which `Rules` keep from upstreams; and addresses behind prefixes and platforms.

use tower_socks::{
    Request, Rules,
    proto::Command,
    rules::{Action, Effect},
    session::Policy,
};

use crate::support::rules::{ip, literal, toml, with};

fn request(name: &str) -> Request {
    Request::new(Command::CONNECT, format!("{name}:80").parse().unwrap())
}

const SPECIAL: [&str; 16] = [
    "localhost",
    "a.localhost",
    "LOCALHOST.",
    "printer.local",
    "metadata.google.internal",
    "internal",
    "router.home.arpa",
    "home.arpa",
    "ipv4only.arpa",
    "db.test",
    "wiki.intranet",
    "db.corp",
    "nas.lan",
    "db",
    "ai",
    "x.private",
];

#[test]
fn they_are_refused_where_an_upstream_would_resolve_them() {
    let rules = Rules::default();
    for name in SPECIAL {
        for command in [Command::CONNECT, Command::BIND, Command::UDP_ASSOCIATE] {
            let mut request = request(name);
            request.command = command;
            if command == Command::UDP_ASSOCIATE {
                request = request.for_datagram(request.target.clone()).unwrap();
            }
            let decision = rules.explain_name(&request);
            assert!(decision.is_refused(), "{decision}");
            assert!(
                decision.to_string().contains("special-purpose"),
                "{decision}"
            );
            let refusal = rules.check_name(&request).unwrap_err();
            assert_eq!(refusal.rule(), Some("special-purpose"));
            // Resolved here, the address is judged.
            assert!(rules.check(&request).is_ok(), "{name}");
        }
    }
    for name in [
        "example.com",
        "localhost.example",
        "a.onion",
        "local.example",
        "xlocal.de",
    ] {
        assert_eq!(
            rules.explain_name(&request(name)).effect(),
            Effect::Allowed,
            "{name}"
        );
    }
}

#[test]
fn only_a_rule_that_states_them_opens_them() {
    for (name, to, opens) in [
        ("localhost", "\"localhost\"", true),
        ("a.localhost", "\"*.localhost\"", true),
        ("db.corp.internal", "\"*.corp.internal\"", true),
        ("db.corp.internal", "\"db.corp.internal\"", true),
        ("db.corp.internal", "\"*.internal\"", true),
        ("nas.home.arpa", "\"*.home.arpa\"", true),
        ("nas.home.arpa", "\"*.arpa\"", false),
        ("db", "\"db\"", true),
        ("db", "\"db.example\"", false),
        (
            "localhost",
            "[\"127.0.0.0/8\", \"::1\", \"0.0.0.0/0\"]",
            false,
        ),
    ] {
        for action in ["allow", "report"] {
            let rules = with("allow", &format!("action = \"{action}\", to = {to}"));
            let decision = rules.explain_name(&request(name));
            assert_eq!(!decision.is_refused(), opens, "{to}: {decision}");
        }
    }
    let anything = with("allow", "action = \"allow\"");
    assert!(anything.explain_name(&request("localhost")).is_refused());
    let ports = with("allow", "action = \"allow\", port = 80");
    assert!(ports.explain_name(&request("localhost")).is_refused());
    // A rule before it refuses what another opens.
    let first = toml(
        "default = \"allow\"\nrules = [{ action = \"deny\", to = \"*.arpa\" }, \
         { action = \"allow\", to = \"*.home.arpa\" }]",
    );
    assert_eq!(first.explain_name(&request("a.home.arpa")).rule(), Some(1));
}

#[test]
fn what_a_refusal_says_to_write_opens_a_name() {
    for name in SPECIAL {
        let said = Rules::default().explain_name(&request(name)).to_string();
        let (_, rest) = said.split_once("to = ").unwrap();
        let (to, _) = rest.split_once(" would").unwrap();
        let rules = with("deny", &format!("action = \"allow\", to = {to}"));
        assert!(!rules.explain_name(&request(name)).is_refused(), "{said}");
    }
}

#[test]
fn allow_private_opens_all_of_them() {
    let rules = Rules::builder(Action::Allow).allow_private().build();
    for name in SPECIAL {
        assert!(rules.check_name(&request(name)).is_ok(), "{name}");
    }
}

#[test]
fn the_address_of_a_cloud_platform_is_special_purpose() {
    let rules = Rules::default();
    let decision = rules.explain(&literal(ip("168.63.129.16")));
    assert!(
        decision.to_string().contains("cloud platform"),
        "{decision}"
    );
    assert!(!rules.explain(&literal(ip("168.63.129.17"))).is_refused());
    for other in [
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "192.0.0.192",
    ] {
        assert!(rules.explain(&literal(ip(other))).is_refused(), "{other}");
    }
}

#[test]
fn what_an_own_nat64_prefix_embeds_is_judged() {
    // RFC 6052 section 2.4 has these forms of 192.0.2.33; here of 10.1.2.3 and 8.8.8.8.
    for (prefix, private, public) in [
        ("2a00:db8::/32", "2a00:db8:a01:203::", "2a00:db8:808:808::"),
        (
            "2a00:db8:100::/40",
            "2a00:db8:10a:102:3::",
            "2a00:db8:108:808:8::",
        ),
        (
            "2a00:db8:122::/48",
            "2a00:db8:122:a01:2:300::",
            "2a00:db8:122:808:8:800::",
        ),
        (
            "2a00:db8:122:300::/56",
            "2a00:db8:122:30a:1:203::",
            "2a00:db8:122:308:8:808::",
        ),
        (
            "2a00:db8:122:344::/64",
            "2a00:db8:122:344:a:102:300::",
            "2a00:db8:122:344:8:808:800::",
        ),
        (
            "2a00:db8:122:344::/96",
            "2a00:db8:122:344::a01:203",
            "2a00:db8:122:344::808:808",
        ),
        // Local-use translation is special by itself, but not as one's own.
        (
            "64:ff9b:1::/48",
            "64:ff9b:1:a01:2:300::",
            "64:ff9b:1:808:8:800::",
        ),
    ] {
        let rules = toml(&format!("default = \"allow\"\nnat64 = \"{prefix}\""));
        let decision = rules.explain(&literal(ip(private)));
        assert_eq!(
            decision.block().map(|block| block.network()),
            Some("10.0.0.0/8"),
            "{decision}"
        );
        let decision = rules.explain(&literal(ip(public)));
        assert!(!decision.is_refused(), "{decision}");

        let denied = toml(&format!(
            "default = \"allow\"\nnat64 = \"{prefix}\"\n\
             rules = [{{ action = \"deny\", to = \"8.8.8.0/24\" }}]"
        ));
        assert_eq!(denied.explain(&literal(ip(public))).rule(), Some(1));
        for (to, allowed) in [("8.8.8.8", true), (prefix, true), ("9.9.9.9", false)] {
            let rules = toml(&format!(
                "default = \"deny\"\nnat64 = \"{prefix}\"\n\
                 rules = [{{ action = \"allow\", to = \"{to}\" }}]"
            ));
            let decision = rules.explain(&literal(ip(public)));
            assert_eq!(!decision.is_refused(), allowed, "{to}: {decision}");
            assert!(rules.explain(&literal(ip(private))).is_refused(), "{to}");
        }
        let opened = toml(&format!(
            "default = \"deny\"\nnat64 = \"{prefix}\"\n\
             rules = [{{ action = \"allow\", to = \"10.0.0.0/8\" }}]"
        ));
        assert!(!opened.explain(&literal(ip(private))).is_refused());
    }
    for wrong in ["10.0.0.0/8", "2a00::/33", "2a00::1"] {
        let file = format!("default = \"allow\"\nnat64 = \"{wrong}\"");
        let problem = ::toml::from_str::<Rules>(&file).unwrap_err().to_string();
        assert!(problem.contains("NAT64"), "{problem}");
    }
}
