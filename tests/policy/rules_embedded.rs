//! IPv6 addresses that stand for IPv4 addresses: `Rules` judge them by what they embed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tower_socks::Rules;

use crate::support::rules::{
    V4, block, both_ways, ip, is_special, literal, named, remedy, toml, with,
};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

fn v6(first: u128, rest: u128) -> IpAddr {
    Ipv6Addr::from_bits(first | rest).into()
}

fn bits(address: Ipv4Addr) -> u128 {
    address.to_bits().into()
}

fn teredo(server: Ipv4Addr, client: Ipv4Addr) -> IpAddr {
    // 2001:0:SERVER:flags:port:CLIENT, the client's address and port inverted.
    let middle = (bits(server) << 64) | (0x8000_u128 << 48) | (0x63bf_u128 << 32);
    v6(0x2001_u128 << 112, middle | u128::from(!client.to_bits()))
}

/// An address in each form that embeds it, most of them beside a public one.
fn forms(address: Ipv4Addr) -> [(&'static str, IpAddr); 8] {
    let nat64 = (0x64_u128 << 112) | (0xff9b_u128 << 96);
    let behind = |prefix: u128| (prefix << 64) | (0x5efe_u128 << 32);
    let site = 0x2a00_1450_4001_0001;
    [
        ("IPv4-mapped", v6(0xffff << 32, bits(address))),
        ("NAT64", v6(nat64, bits(address))),
        ("6to4", v6(0x2002 << 112, (bits(address) << 80) | 1)),
        ("Teredo server", teredo(address, PUBLIC)),
        ("Teredo client", teredo(PUBLIC, address)),
        ("Teredo", teredo(address, address)),
        ("ISATAP", v6(behind(site), bits(address))),
        (
            "global ISATAP",
            v6(behind(site) | (0x0200_u128 << 48), bits(address)),
        ),
    ]
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

fn is_allowed(rules: &Rules, address: IpAddr) -> bool {
    let decisions = both_ways(rules, address);
    let allowed = decisions.each_ref().map(|decision| !decision.is_refused());
    assert_eq!(allowed, [allowed[0]; 3], "{address}: {decisions:?}");
    allowed[0]
}

#[test]
fn the_forms_are_written_here_as_in_their_documents() {
    let address = Ipv4Addr::new(192, 0, 2, 33);
    for ((form, embedding), written) in forms(address).into_iter().zip([
        "::ffff:192.0.2.33",
        "64:ff9b::192.0.2.33",
        "2002:c000:221::1",
        "2001:0:c000:221:8000:63bf:f7f7:f7f7",
        "2001:0:808:808:8000:63bf:3fff:fdde",
        "2001:0:c000:221:8000:63bf:3fff:fdde",
        "2a00:1450:4001:1:0:5efe:192.0.2.33",
        "2a00:1450:4001:1:200:5efe:192.0.2.33",
    ]) {
        assert_eq!(embedding, ip(written), "{form}");
    }
}

#[test]
fn every_special_block_is_refused_in_every_form() {
    let rules = Rules::default();
    for (registered, _) in V4 {
        let block = block(registered);
        for address in [block.first(), block.middle(), block.last()] {
            let plain = rules.explain(&literal(address)).block().copied();
            assert!(plain.is_some(), "{address}");
            for (form, embedding) in forms(v4(address)) {
                for decision in both_ways(&rules, embedding) {
                    assert!(decision.is_refused(), "{form}: {decision}");
                    assert_eq!(decision.block().copied(), plain, "{form}: {decision}");
                }
                // As a name that is an address.
                let bracketed = rules.explain(&named(&format!("[{embedding}]")));
                assert_eq!(bracketed.block().copied(), plain, "{form}: {bracketed}");
            }
        }
        for neighbour in block.neighbours().filter(|address| !is_special(*address)) {
            for (form, embedding) in forms(v4(neighbour)) {
                assert!(is_allowed(&rules, embedding), "{form}: {neighbour}");
            }
        }
    }
}

#[test]
fn a_public_address_is_allowed_in_every_form() {
    for rules in [
        Rules::default(),
        with("deny", "action = \"allow\""),
        with("deny", "action = \"allow\", to = \"8.8.8.8\""),
        with("deny", "action = \"allow\", to = \"0.0.0.0/0\""),
    ] {
        assert!(is_allowed(&rules, PUBLIC.into()));
        for (form, embedding) in forms(PUBLIC) {
            assert!(is_allowed(&rules, embedding), "{form}");
        }
    }
}

#[test]
fn what_a_refusal_says_to_write_opens_every_form() {
    let rules = Rules::default();
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (registered, _) in V4 {
        let middle = v4(block(registered).middle());
        addresses.extend(forms(middle).map(|(_, embedding)| embedding));
    }
    // Several blocks at once.
    addresses.extend([
        teredo(Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1)),
        ip("fe80::5efe:8.8.8.8"),
        ip("fe80::5efe:10.0.0.1"),
        ip("fe80::200:5efe:127.0.0.1"),
        ip("4000::5efe:169.254.169.254"),
        ip("2001:db8::5efe:192.0.2.1"),
    ]);
    for address in addresses {
        let decision = rules.explain(&literal(address));
        let to = remedy(&decision);
        for default in ["allow", "deny"] {
            let rules = with(default, &format!("action = \"allow\", to = {to}"));
            assert!(is_allowed(&rules, address), "{address}: {to}");
        }
    }
    let both = remedy(&rules.explain(&literal(ip("fe80::5efe:10.0.0.1"))));
    assert_eq!(both, r#"["10.0.0.0/8", "fe80::/10"]"#);
}

#[test]
fn each_of_several_special_addresses_has_to_be_stated() {
    let (isatap, public_isatap) = ("fe80::5efe:10.0.0.1", "fe80::5efe:8.8.8.8");
    // Server 127.0.0.1, or the public 1.1.1.1; client 10.0.0.1.
    let (teredo, public_teredo) = ("2001:0:7f00:1::f5ff:fffe", "2001:0:101:101::f5ff:fffe");
    for (address, to, expected) in [
        (isatap, r#"["10.0.0.0/8", "fe80::/10"]"#, true),
        (isatap, r#"["10.0.0.1", "fe80::/64"]"#, true),
        (isatap, r#"["10.0.0.0/8", "::/0"]"#, false),
        (isatap, r#"["0.0.0.0/0", "fe80::/10"]"#, false),
        (isatap, r#""10.0.0.0/8""#, false),
        (isatap, r#""fe80::/10""#, false),
        (isatap, r#""fe80::5efe:10.0.0.1""#, false),
        (public_isatap, r#"["8.8.0.0/16", "fe80::/10"]"#, true),
        (public_isatap, r#"["0.0.0.0/0", "fe80::/10"]"#, true),
        (public_isatap, r#"["0.0.0.0/0", "::/0"]"#, false),
        (public_isatap, r#""fe80::/10""#, false),
        (teredo, r#"["127.0.0.0/8", "10.0.0.0/8"]"#, true),
        (teredo, r#"["127.0.0.0/8", "0.0.0.0/0"]"#, false),
        (teredo, r#"["0.0.0.0/0", "10.0.0.0/8"]"#, false),
        (teredo, r#"["127.0.0.0/8", "2001::/32"]"#, false),
        (public_teredo, r#"["1.0.0.0/8", "10.0.0.0/8"]"#, true),
        (public_teredo, r#"["0.0.0.0/0", "10.0.0.0/8"]"#, true),
        (public_teredo, r#""10.0.0.0/8""#, false),
        (public_teredo, r#"["10.0.0.0/8", "2001::/32"]"#, false),
    ] {
        let rules = with("allow", &format!("action = \"allow\", to = {to}"));
        assert_eq!(is_allowed(&rules, ip(address)), expected, "{address}: {to}");
    }
}

#[test]
fn a_deny_rule_applies_to_either_face() {
    for (form, embedding) in forms(PUBLIC) {
        for to in [
            "8.8.8.8".to_owned(),
            "8.8.0.0/16".to_owned(),
            "0.0.0.0/0".to_owned(),
            embedding.to_string(),
        ] {
            let rules = with("allow", &format!("action = \"deny\", to = {to:?}"));
            let decisions = both_ways(&rules, embedding);
            assert!(
                decisions.iter().all(|decision| decision.rule() == Some(1)),
                "{form}: {to}"
            );
        }
        let elsewhere = with(
            "allow",
            "action = \"deny\", to = [\"8.8.9.0/24\", \"fd00::/8\"]",
        );
        assert!(is_allowed(&elsewhere, embedding), "{form}");
    }
    // Either of two that are embedded.
    let mixed = teredo(Ipv4Addr::new(1, 1, 1, 1), PUBLIC);
    for to in ["1.1.1.1", "8.8.8.8", "2001::/32", "2000::/3", "::/0"] {
        let rules = with("allow", &format!("action = \"deny\", to = {to:?}"));
        assert!(!is_allowed(&rules, mixed), "{to}");
    }
    // An IPv4-mapped address has one face only.
    let rules = with("allow", "action = \"deny\", to = \"::/0\"");
    assert!(is_allowed(&rules, ip("::ffff:8.8.8.8")));
}

#[test]
fn an_allow_rule_states_all_that_is_embedded_or_the_form() {
    for (address, to, expected) in [
        // Stated by what is embedded.
        ("64:ff9b::8.8.8.8", "8.8.8.0/24", true),
        ("64:ff9b::8.8.8.8", "8.8.9.0/24", false),
        ("2002:808:808::1", "8.8.8.8", true),
        ("2a00::5efe:8.8.8.8", "8.8.8.8", true),
        ("2a00::200:5efe:8.8.8.8", "0.0.0.0/0", true),
        // Server 1.1.1.1, client 8.8.8.8.
        ("2001:0:101:101::f7f7:f7f7", "8.8.8.8", false),
        ("2001:0:101:101::f7f7:f7f7", "1.1.1.1", false),
        ("2001:0:101:101::f7f7:f7f7", "0.0.0.0/0", true),
        // Stated by the form.
        ("64:ff9b::8.8.8.8", "64:ff9b::/96", true),
        ("64:ff9b::8.8.8.8", "64:ff9b::808:0/112", true),
        ("64:ff9b::8.8.8.8", "64:ff9b::808:808", true),
        ("64:ff9b::8.8.8.8", "64:ff9b::909:0/112", false),
        ("64:ff9b::8.8.8.8", "64:ff9b::/95", false),
        ("64:ff9b::8.8.8.8", "64:ff9b::/32", false),
        ("64:ff9b::8.8.8.8", "::/0", false),
        ("2002:808:808::1", "2002::/16", true),
        ("2002:808:808::1", "2002:808:808::/48", true),
        ("2002:808:808::1", "2002::/15", false),
        ("2002:808:808::1", "2000::/3", false),
        ("2001:0:101:101::f7f7:f7f7", "2001::/32", true),
        ("2001:0:101:101::f7f7:f7f7", "2001:0:101:101::/64", true),
        ("2001:0:101:101::f7f7:f7f7", "2001::/31", false),
        ("2001:0:101:101::f7f7:f7f7", "2001::/23", false),
        ("2001:0:101:101::f7f7:f7f7", "2000::/3", false),
        // ISATAP has no prefix of its own.
        ("2a00::5efe:8.8.8.8", "2a00::/16", false),
        ("2a00::5efe:8.8.8.8", "::/0", false),
        // Other addresses of the same networks embed nothing.
        ("2a00::5eff:8.8.8.8", "2a00::/16", true),
        ("2a00::100:5efe:8.8.8.8", "2a00::/16", true),
        ("2a00::5eff:8.8.8.8", "8.8.8.8", false),
        ("2003:808:808::1", "8.8.8.8", false),
        ("64:ff9a::8.8.8.8", "8.8.8.8", false),
    ] {
        let rules = with("deny", &format!("action = \"allow\", to = {to:?}"));
        assert_eq!(is_allowed(&rules, ip(address)), expected, "{address}: {to}");
        let rules = with("deny", &format!("action = \"report\", to = {to:?}"));
        assert_eq!(is_allowed(&rules, ip(address)), expected, "{address}: {to}");
    }
}

#[test]
fn the_form_does_not_open_what_is_special() {
    for (address, form) in [
        ("64:ff9b::10.0.0.1", "64:ff9b::/96"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("2002:a00:1::1", "2002::/16"),
        ("2001:0:101:101::f5ff:fffe", "2001::/32"),
        ("2001:0:101:101::f5ff:fffe", "2001::/23"),
    ] {
        let rules = with("allow", &format!("action = \"allow\", to = {form:?}"));
        assert!(!is_allowed(&rules, ip(address)), "{address}: {form}");
        let text = format!("action = \"allow\", to = [{form:?}, \"10.0.0.0/8\", \"1.0.0.0/8\"]");
        assert!(is_allowed(&with("deny", &text), ip(address)), "{address}");
    }
}

#[test]
fn a_mapped_network_is_the_ipv4_network() {
    for (to, address) in [
        ("::ffff:10.0.0.0/104", "10.1.2.3"),
        ("::ffff:10.1.2.3", "::ffff:10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
    ] {
        let rules = with("deny", &format!("action = \"allow\", to = {to:?}"));
        assert!(is_allowed(&rules, ip(address)), "{to}");
    }
    let everything = with("allow", "action = \"deny\", to = \"::ffff:0:0/96\"");
    assert!(!is_allowed(&everything, ip("8.8.8.8")));
    assert!(is_allowed(&everything, ip("2a00::1")));
}

#[test]
fn allow_private_opens_every_form() {
    let rules = toml("default = \"allow\"\nallow_private = true");
    for (registered, _) in V4 {
        for (form, embedding) in forms(v4(block(registered).middle())) {
            assert!(is_allowed(&rules, embedding), "{form}: {embedding}");
        }
    }
}
