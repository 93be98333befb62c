//! Names in `Rules` that are addresses, or that nobody can judge.

use tower_socks::{
    Rules,
    proto::{Address, ReplyCode},
    rules::Destination,
    session::Policy,
};

use crate::support::rules::{allows, ip, literal, named, only, with};

/// 127.0.0.1, as resolvers read it.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0X7F.0x0.0.0X1",
    "2130706433",
    "017700000001",
    "0177.0.0.01",
    "::ffff:127.0.0.1",
    "::FFFF:7F00:1",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "127.0.0.1.",
    "127.1...",
    "[::ffff:127.0.0.1].",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127.0.0.\u{ff11}",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127\u{ff0e}1",
    "127\u{ff61}1",
    "\u{ff10}\u{ff58}\u{ff17}\u{ff46}.1",
    "127.0.0.\u{2460}",
    "127.0.0.\u{1d7cf}",
    "127.0.0.\u{b9}",
    "127.0.0.1\u{ad}",
    "127.0.0.\u{200b}1",
    "1\u{ad}27.1\u{3002}",
];

/// Written like an address, and none; or no name in any script.
const NOBODY: &[&str] = &[
    "127.0.0.256",
    "256.1.1.1",
    "1.2.3.4.5",
    "08.1",
    "4294967296",
    "0x",
    "a.1",
    "fe80::1%eth0",
    "[127.0.0.1]",
    "[::1",
    "::1]",
    "example.com:80",
    "127.0.0.\u{ff12}56",
    "example.\u{ff11}",
    ".",
    "...",
    "\u{3002}",
    "\u{ad}",
    "\u{ad}\u{3002}\u{ff0e}",
    // Escapes, which resolvers undo: all of these reach example.com.
    "ex\\097mple.com",
    "ex\\ample.com",
    "example\\.com",
    "ex\u{ff3c}ample.com",
    "\\049\\050\\055.0.0.1",
    // Characters that are mapped to a space, a colon and brackets.
    "a\u{a8}b.example",
    "example\u{ff1a}80",
    "\u{ff3b}::1\u{ff3d}x",
    // No Punycode, and none that IDNA would make.
    "xn--\u{fc}.example",
    "xn--a.\u{fc}.example",
    "xn--80ak6aa92e\u{2a}.\u{fc}",
    // Right to left and left to right in one label; an unassigned character.
    "a\u{5d0}.example",
    "a\u{378}.example",
    "\u{202e}moc.elpmaxe",
];

#[test]
fn a_name_that_is_an_address_is_judged_as_that_address() {
    let default = Rules::default();
    let by_name = with(
        "allow",
        "action = \"allow\", to = [\"localhost\", \"*.example\"]",
    );
    for name in LOOPBACK {
        for rules in [&default, &by_name] {
            let request = named(name);
            let decision = rules.explain(&request);
            let network = decision.block().map(|block| block.network());
            assert_eq!(network, Some("127.0.0.0/8"), "{name}");
            let refusal = rules.check(&request).unwrap_err();
            assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED, "{name}");
        }
        assert!(allows(&only("127.0.0.0/8"), name), "{name}");
        assert!(!allows(&only("127.0.0.2"), name), "{name}");
    }
    for (name, address) in [
        ("8.8.8.8", "8.8.8.8"),
        ("0x08080808", "8.8.8.8"),
        ("134744072.", "8.8.8.8"),
        ("[2A00::1]", "2a00::1"),
        ("2a00:0:0::0001", "2a00::1"),
        ("\u{ff18}.8.8.8", "8.8.8.8"),
    ] {
        assert!(allows(&only(address), name), "{name}");
        assert!(allows(&Rules::default(), name), "{name}");
        let deny = with("allow", &format!("action = \"deny\", to = {address:?}"));
        assert!(deny.explain(&named(name)).is_refused(), "{name}");
    }
}

#[test]
fn a_rule_for_a_name_that_is_an_address_is_for_that_address() {
    for to in LOOPBACK.iter().filter(|to| !to.ends_with("..")) {
        let Ok(destination) = to.parse::<Destination>() else {
            // Dots behind an IPv6 address are for requests only.
            assert!(to.contains(':'), "{to}");
            continue;
        };
        assert_eq!(destination.to_string(), "127.0.0.1", "{to}");
        let rules = only(to);
        assert!(allows(&rules, "127.1"), "{to}");
        let decision = rules.explain(&literal(ip("127.0.0.1")));
        assert_eq!(decision.rule(), Some(1), "{to}");
        assert!(format!("*.{to}").parse::<Destination>().is_err(), "{to}");
    }
}

/// A request for one cannot be made: neither decoded nor built.
#[test]
fn what_nobody_can_judge_is_no_name() {
    for name in NOBODY {
        assert!(Address::new(name, 443).is_err(), "{name:?}");
        assert!(name.parse::<Destination>().is_err(), "{name:?}");
        assert!(
            format!("*.{name}").parse::<Destination>().is_err(),
            "{name:?}"
        );
    }
}
