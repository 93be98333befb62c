//! `Rules::default()` refuses every special-purpose address of the IANA registries, whatever form it
//! comes in, and nothing else.

#![cfg(feature = "rules")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use tower_socks::{
    Policy, Request, Rules,
    layer::acl::rules::{Action, Rule},
    proto::{Address, Command},
};

/// IPv4 Special-Purpose Address Registry, and multicast.
const V4: &[&str] = &[
    "0.0.0.0/8",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
];

/// IPv6 Special-Purpose Address Registry without the forms that embed, multicast, and what is
/// reserved: all but 2000::/3.
const V6: &[&str] = &[
    "::1/128",
    "::/128",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:100::/24",
    "2001:db8::/32",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "::/96",
    "64::/16",
    "200::/7",
    "400::/6",
    "800::/5",
    "1000::/4",
    "4000::/3",
    "6000::/3",
    "8000::/1",
];

fn connect(target: impl Into<Address>) -> Request {
    Request::new(Command::CONNECT, target.into())
}

/// As a literal, and as the address behind a name.
fn allowed(rules: &Rules, ip: IpAddr) -> bool {
    let address = SocketAddr::new(ip, 443);
    let literal = rules.check(&connect(address)).is_ok();
    let named = connect(Address::new("www.example", 443).unwrap());
    assert!(rules.check(&named).is_ok());
    let behind = rules.check_address(&named, address).is_ok();
    assert_eq!(literal, behind, "{ip}");
    literal
}

fn blocks() -> impl Iterator<Item = IpNet> {
    V4.iter().chain(V6).map(|block| block.parse().unwrap())
}

/// The first, the last and one in between.
fn samples(block: IpNet) -> [IpAddr; 3] {
    let (first, last) = (block.network(), block.broadcast());
    let middle = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            Ipv4Addr::from_bits(first + (last - first) / 3 * 2).into()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            Ipv6Addr::from_bits(first + (last - first) / 3 * 2).into()
        }
        _ => unreachable!(),
    };
    [first, middle, last]
}

/// Not the ones that embed an IPv4 address, which another test is about.
fn embeds(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => {
            ip.to_ipv4_mapped().is_some()
                || matches!(ip.segments(), [0x2002, ..] | [0x2001, 0, ..])
                || matches!(ip.segments(), [0x64, 0xff9b, 0, 0, 0, 0, ..])
        }
    }
}

#[test]
fn every_special_purpose_address_is_refused() {
    let rules = Rules::default();
    for block in blocks() {
        for ip in samples(block).into_iter().filter(|ip| !embeds(*ip)) {
            assert!(!allowed(&rules, ip), "{ip} of {block}");
        }
    }
}

#[test]
fn their_neighbours_are_not() {
    let rules = Rules::default();
    let reserved = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.to_bits() >> 125 != 1);
    let special =
        |ip: IpAddr| blocks().any(|block| block.contains(&ip)) || embeds(ip) || reserved(ip);
    let mut asked = 0;
    for block in blocks() {
        let neighbours: [Option<IpAddr>; 2] = match (block.network(), block.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => [
                first
                    .to_bits()
                    .checked_sub(1)
                    .map(|bits| Ipv4Addr::from_bits(bits).into()),
                last.to_bits()
                    .checked_add(1)
                    .map(|bits| Ipv4Addr::from_bits(bits).into()),
            ],
            (IpAddr::V6(first), IpAddr::V6(last)) => [
                first
                    .to_bits()
                    .checked_sub(1)
                    .map(|bits| Ipv6Addr::from_bits(bits).into()),
                last.to_bits()
                    .checked_add(1)
                    .map(|bits| Ipv6Addr::from_bits(bits).into()),
            ],
            _ => unreachable!(),
        };
        for ip in neighbours.into_iter().flatten().filter(|ip| !special(*ip)) {
            // 2001::/23 is a block as well, whose parts stand in the list.
            let in_assignments: IpNet = "2001::/23".parse().unwrap();
            assert_eq!(
                allowed(&rules, ip),
                !in_assignments.contains(&ip),
                "{ip} beside {block}"
            );
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
    ] {
        assert!(allowed(&rules, public.parse().unwrap()), "{public}");
    }
}

/// Every form that embeds an IPv4 address, with this one in it.
fn forms(ip: Ipv4Addr) -> Vec<IpAddr> {
    let [a, b, c, d] = ip.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let form = |segments: [u16; 8]| IpAddr::from(Ipv6Addr::from(segments));
    vec![
        ip.to_ipv6_mapped().into(),
        form([0x64, 0xff9b, 0, 0, 0, 0, high, low]),
        form([0x2002, high, low, 0, 0, 0, 0, 1]),
        // Teredo: the server, and the client, whose bits are inverted. 8.8.8.8 is the other one.
        form([0x2001, 0, high, low, 0, 0, !0x0808, !0x0808]),
        form([0x2001, 0, 0x0808, 0x0808, 0, 0, !high, !low]),
        // ISATAP.
        form([0x2a00, 1, 2, 3, 0, 0x5efe, high, low]),
        form([0x2a00, 1, 2, 3, 0x0200, 0x5efe, high, low]),
    ]
}

#[test]
fn forms_that_embed_are_judged_by_what_they_embed() {
    let rules = Rules::default();
    for block in V4 {
        for ip in samples(block.parse().unwrap()) {
            let IpAddr::V4(ip) = ip else { unreachable!() };
            for form in forms(ip) {
                assert!(!allowed(&rules, form), "{form} of {ip}");
            }
        }
    }
    for form in forms(Ipv4Addr::new(9, 9, 9, 9)) {
        assert!(allowed(&rules, form), "{form}");
    }
}

#[test]
fn the_hint_of_a_refusal_works() {
    let rules = Rules::default();
    for block in V4.iter().chain(&V6[..23]) {
        let ip = block.parse::<IpNet>().unwrap().network();
        let refusal = rules
            .check(&connect(SocketAddr::new(ip, 443)))
            .unwrap_err()
            .to_string();
        let (_, hint) = refusal
            .split_once("to = \"")
            .unwrap_or_else(|| panic!("{refusal}"));
        let (network, _) = hint.split_once('"').unwrap();
        if network == "::/0" {
            continue; // what is reserved has no block of its own
        }
        let rule = Rule::new(Action::Allow).to(network
            .parse::<tower_socks::layer::acl::rules::Network>()
            .unwrap());
        let opened = Rules::builder(Action::Allow).rule(rule).build();
        assert!(allowed(&opened, ip), "{ip}: {refusal}");
    }
}

#[test]
fn only_what_states_them_opens_them() {
    let text = r#"
        default = "allow"
        rules = [
            { action = "allow", to = ["0.0.0.0/0", "::/0", "8.0.0.0/6", "*.example"] },
            { action = "report", port = 443 },
        ]
    "#;
    let open: Rules = toml::from_str(text).unwrap();
    let private: Rules = toml::from_str(&format!("allow_private = true\n{text}")).unwrap();
    for block in blocks() {
        let ip = block.network();
        assert!(!allowed(&open, ip), "{ip}");
        assert!(allowed(&private, ip), "{ip}");
    }
    let some: Rules = toml::from_str(
        "default = \"deny\"\nrules = [{ action = \"allow\", to = [\"10.1.0.0/16\", \"*.example\"] }]",
    )
    .unwrap();
    let behind = |ip: &str| {
        let named = connect(Address::new("www.example", 443).unwrap());
        some.check_address(&named, SocketAddr::new(ip.parse().unwrap(), 443))
            .is_ok()
    };
    assert!(behind("10.1.2.3") && behind("64:ff9b::10.1.2.3") && behind("8.8.8.8"));
    assert!(!behind("10.2.0.0") && !behind("64:ff9b::10.2.0.0"));
}

#[test]
fn deny_states_either_face_and_allow_all_of_them() {
    let rules = |action: &str, to: &str, default: &str| -> Rules {
        let text = format!(
            "default = \"{default}\"\nrules = [{{ action = \"{action}\", to = \"{to}\" }}]"
        );
        toml::from_str(&text).unwrap()
    };
    let literal = |rules: &Rules, ip: &str| {
        rules
            .check(&connect(SocketAddr::new(ip.parse().unwrap(), 80)))
            .is_ok()
    };
    let six_to_four = "2002:0909:0909::1";
    assert!(!literal(&rules("deny", "9.9.9.0/24", "allow"), six_to_four));
    assert!(!literal(&rules("deny", "2002::/16", "allow"), six_to_four));
    assert!(!literal(&rules("deny", "::/0", "allow"), six_to_four));
    assert!(literal(&rules("allow", "9.9.9.0/24", "deny"), six_to_four));
    assert!(literal(&rules("allow", "2002::/16", "deny"), six_to_four));
    assert!(!literal(&rules("allow", "2000::/3", "deny"), six_to_four));
    let teredo = "2001:0:0909:0909::f7f7:f7f7"; // 9.9.9.9 and 8.8.8.8
    assert!(!literal(&rules("allow", "9.9.9.0/24", "deny"), teredo));
    assert!(literal(&rules("allow", "8.0.0.0/6", "deny"), teredo));
}

#[test]
fn the_proxy_itself_is_refused() {
    let mut request = connect("8.8.4.4:1080".parse::<SocketAddr>().unwrap());
    let rules = Rules::default();
    assert!(rules.check(&request).is_ok());
    request.local = "8.8.4.4:1080".parse().unwrap();
    assert!(rules.check(&request).is_err());
    request.local = "[::ffff:8.8.4.4]:1080".parse().unwrap();
    assert!(rules.check(&request).is_err());
    request.local = "8.8.4.4:1081".parse().unwrap();
    assert!(rules.check(&request).is_ok());

    let own = |own: &str| Rules::builder(Action::Allow).own(own.parse().unwrap());
    assert!(own("8.8.4.4:1080").build().check(&request).is_err());
    assert!(own("0.0.0.0:1080").build().check(&request).is_err());
    assert!(own("[::]:1080").build().check(&request).is_err());
    assert!(own("9.9.9.9:1080").build().check(&request).is_ok());
    let allow = |to: &str| {
        let network: tower_socks::layer::acl::rules::Network = to.parse().unwrap();
        own("8.8.4.4:1080")
            .rule(Rule::new(Action::Allow).to(network))
            .build()
    };
    assert!(allow("8.8.4.0/24").check(&request).is_err());
    assert!(allow("8.8.4.4").check(&request).is_ok());
    assert!(
        own("8.8.4.4:1080")
            .allow_private()
            .build()
            .check(&request)
            .is_ok()
    );
}
