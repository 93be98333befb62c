//! Special-purpose addresses: what `Rules` refuse by themselves, and what opens it.

use std::net::{IpAddr, SocketAddr};

use tower_socks::{Identity, Rules, proto::ReplyCode, rules::Effect, session::Policy};

use crate::support::rules::{
    V4, V6, block, both_ways, ip, is_special, literal, named, remedy, toml, with,
};

/// First, middle and last address of each block of the registries.
fn probes() -> impl Iterator<Item = IpAddr> {
    V4.iter().chain(V6).flat_map(|(registered, _)| {
        let block = block(registered);
        [block.first(), block.middle(), block.last()]
    })
}

fn is_allowed(rules: &Rules, address: IpAddr) -> bool {
    let decisions = both_ways(rules, address);
    let allowed = decisions.each_ref().map(|decision| !decision.is_refused());
    assert!(
        allowed == [true; 3] || allowed == [false; 3],
        "{address}: {decisions:?}"
    );
    allowed == [true; 3]
}

#[test]
fn every_block_of_the_registries_is_refused_from_its_first_to_its_last_address() {
    let rules = Rules::default();
    for address in probes() {
        assert!(!is_allowed(&rules, address), "{address}");
        let used = SocketAddr::new(address, 443);
        let refusal = rules.check(&literal(address)).unwrap_err();
        assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED, "{address}");
        let name = named("name.example");
        assert!(rules.check(&name).is_ok());
        let refusal = rules.check_address(&name, used).unwrap_err();
        assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED, "{address}");
    }
}

#[test]
fn the_addresses_around_a_block_are_allowed() {
    let rules = Rules::default();
    let mut allowed = 0;
    for (registered, _) in V4.iter().chain(V6) {
        for neighbour in block(registered).neighbours() {
            // Of Teredo's addresses the first and the last embed a special one.
            let teredo = block("2001::/32").contains(neighbour);
            let expected = !is_special(neighbour) && !teredo;
            assert_eq!(is_allowed(&rules, neighbour), expected, "{neighbour}");
            allowed += usize::from(expected);
        }
    }
    // Two for each block that touches no other.
    assert!(allowed > 40, "{allowed}");
    for ordinary in ["1.1.1.1", "223.255.255.255", "2000::", "2a00::1", "3ffe::1"] {
        assert!(is_allowed(&rules, ip(ordinary)), "{ordinary}");
    }
}

#[test]
fn a_refusal_names_the_block() {
    let rules = Rules::default();
    for (registered, expected) in V4.iter().chain(V6) {
        let middle = block(registered).middle();
        for decision in both_ways(&rules, middle) {
            let network = decision.block().map(|block| block.network());
            assert_eq!(network, Some(*expected), "{registered}");
            let text = decision.to_string();
            let (purpose, _) = text.split_once(&format!("), {expected}; ")).unwrap();
            assert!(
                purpose.contains("(RFC ") || purpose.contains("cloud platform ("),
                "{text}"
            );
            assert!(text.contains("allow_private"), "{text}");
        }
    }
    // A narrower block goes before the one around it.
    for (address, expected) in [
        ("255.255.255.254", "240.0.0.0/4"),
        ("2001:1ff:ffff::", "2001::/23"),
        ("2001:4:113::", "2001::/23"),
        ("239.255.255.255", "224.0.0.0/4"),
    ] {
        let decision = rules.explain(&literal(ip(address)));
        let network = decision.block().map(|block| block.network());
        assert_eq!(network, Some(expected), "{address}");
    }
}

#[test]
fn what_a_refusal_says_to_write_opens_the_address() {
    for address in probes() {
        for decision in both_ways(&Rules::default(), address) {
            let to = remedy(&decision);
            let rule = format!("action = \"allow\", to = {to}");
            for default in ["allow", "deny"] {
                assert!(
                    is_allowed(&with(default, &rule), address),
                    "{address}: {to}"
                );
            }
            // Also where a rule stands behind it that denies.
            let text = format!(
                "default = \"allow\"\nrules = [{{ {rule} }}, {{ action = \"deny\", to = {to} }}]"
            );
            assert!(is_allowed(&toml(&text), address), "{address}: {to}");
        }
    }
}

#[test]
fn a_deny_rule_says_so_as_well() {
    for address in probes() {
        let denying = "{ action = \"deny\", port = 443 }";
        let rules = toml(&format!("default = \"allow\"\nrules = [{denying}]"));
        let decision = rules.explain(&literal(address));
        assert_eq!(decision.rule(), Some(1));
        let to = remedy(&decision);
        let text = format!(
            "default = \"allow\"\nrules = [{{ action = \"allow\", to = {to} }}, {denying}]"
        );
        assert!(is_allowed(&toml(&text), address), "{address}: {to}");
    }
}

#[test]
fn a_block_opens_itself_and_a_network_around_it_does_not() {
    for (registered, _) in V4.iter().chain(V6) {
        let inside = block(registered);
        let rules = with("allow", &format!("action = \"allow\", to = {registered:?}"));
        for address in [inside.first(), inside.middle(), inside.last()] {
            // Teredo is opened by what it embeds.
            if !block("2001::/32").contains(address) {
                assert!(is_allowed(&rules, address), "{registered}: {address}");
            }
        }
        for outside in inside.neighbours().filter(|address| is_special(*address)) {
            assert!(!is_allowed(&rules, outside), "{registered}: {outside}");
        }
    }
    for (wide, address) in [
        ("0.0.0.0/0", "10.0.0.1"),
        ("10.0.0.0/7", "10.0.0.1"),
        ("192.0.0.0/16", "192.0.2.1"),
        ("172.0.0.0/8", "172.16.0.1"),
        ("224.0.0.0/3", "224.0.0.1"),
        ("::/0", "fd00::1"),
        ("::/0", "::1"),
        ("::/0", "4000::1"),
        ("::/8", "::2"),
        ("100::/8", "100::1"),
        ("100::/8", "180::1"),
        ("64::/16", "64:ff9b:1::1"),
        ("2001::/16", "2001:db8::1"),
        ("2000::/3", "2001:2::1"),
        ("fc00::/6", "fd00::1"),
        ("fe80::/9", "fe80::1"),
        ("e000::/3", "fd00::1"),
    ] {
        let rules = with("allow", &format!("action = \"allow\", to = {wide:?}"));
        assert!(!is_allowed(&rules, ip(address)), "{wide}: {address}");
    }
}

#[test]
fn nothing_else_opens_them_but_allow_private() {
    let private = toml("default = \"allow\"\nallow_private = true");
    let denied = toml("default = \"deny\"\nallow_private = true");
    let refusing = [
        "action = \"allow\"",
        "action = \"report\"",
        "action = \"allow\", to = [\"0.0.0.0/0\", \"::/0\"]",
        "action = \"allow\", to = \"name.example\"",
        "action = \"allow\", to = \"*.example\"",
        "action = \"allow\", to = [\"name.example\", \"0.0.0.0/0\", \"::/0\"]",
        "action = \"allow\", user = \"joe\"",
        "action = \"allow\", group = \"staff\"",
        "action = \"allow\", client = \"198.51.100.0/24\"",
        "action = \"allow\", command = \"connect\"",
        "action = \"allow\", port = 443",
        "action = \"allow\", time = \"00:00-24:00\"",
        "action = \"report\", weekday = \"mon-sun\"",
    ]
    .map(|rule| with("allow", rule));
    for address in probes() {
        assert!(is_allowed(&private, address), "{address}");
        assert!(!is_allowed(&denied, address), "{address}");
        let used = SocketAddr::new(address, 443);
        for (number, rules) in refusing.iter().enumerate() {
            let mut by_name = named("name.example");
            let mut stated = literal(address);
            for request in [&mut by_name, &mut stated] {
                request.identity = Identity::named("joe").with_groups(["staff"]);
                let decision = rules.explain_address(request, used);
                assert_eq!(decision.effect(), Effect::Refused, "{number}: {address}");
                assert_eq!(decision.rule(), None, "{number}: {address}");
            }
        }
    }
}

#[test]
fn a_rule_that_opens_an_address_may_have_other_conditions() {
    let rules = with(
        "allow",
        "action = \"allow\", user = \"joe\", port = 443, to = \"10.1.0.0/16\"",
    );
    let address: SocketAddr = "10.1.2.3:443".parse().unwrap();
    let mut request = named("name.example");
    assert!(rules.check_address(&request, address).is_err());
    request.identity = Identity::named("joe");
    assert!(rules.check_address(&request, address).is_ok());
    let beyond: SocketAddr = "10.2.0.1:443".parse().unwrap();
    assert!(rules.check_address(&request, beyond).is_err());
}

#[test]
fn a_report_rule_opens_what_it_states() {
    let rules = with("allow", "action = \"report\", to = \"10.0.0.0/8\"");
    let decision = rules.explain(&literal(ip("10.0.0.1")));
    assert_eq!(decision.effect(), Effect::Reported);
    assert!(rules.explain(&literal(ip("127.0.0.1"))).is_refused());
}
