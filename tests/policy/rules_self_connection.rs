//! The addresses of the proxy's own host, and where it listens, which `Rules` refuse.

use std::net::SocketAddr;

use tower_socks::{
    Request, Rules,
    proto::{Command, ReplyCode},
    rules::{Action, Decision, Destination, Rule, RulesBuilder},
    session::Policy,
};

use crate::support::rules::{remedy, toml, with};

/// Where the client reached the proxy, on the public internet.
const LOCAL: &str = "8.8.4.4:1080";

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn request(local: &str, target: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, target.parse().unwrap());
    request.peer = socket("9.9.9.9:50000");
    request.local = socket(local);
    request
}

/// About a literal target as stated, and behind a name with the same port.
fn asked(rules: &Rules, local: &str, target: &str) -> [Decision; 2] {
    let port = socket(target).port();
    let name = request(local, &format!("name.example:{port}"));
    [
        rules.explain(&request(local, target)),
        rules.explain_address(&name, socket(target)),
    ]
}

fn is_own(rules: &Rules, local: &str, target: &str) -> bool {
    let own = asked(rules, local, target).map(|decision| {
        let said = decision.to_string();
        let own = said.contains("a self-connection") || said.contains("the proxy's own host");
        assert_eq!(decision.is_refused(), own, "{decision}");
        own
    });
    assert_eq!(own[0], own[1], "{target}");
    own[0]
}

#[test]
fn the_address_on_which_the_client_came_is_refused() {
    let rules = Rules::default();
    assert!(is_own(&rules, LOCAL, "8.8.4.4:1080"));
    // Other services of the machine trust it, as its firewall does.
    assert!(is_own(&rules, LOCAL, "8.8.4.4:1081"));
    assert!(!is_own(&rules, LOCAL, "8.8.4.5:1080"));
    let refusal = rules.check(&request(LOCAL, "8.8.4.4:1080")).unwrap_err();
    assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED);
    let [v6, other] = ["[2a00::1]:1080", "[2a00::2]:1080"];
    assert!(is_own(&rules, v6, v6));
    assert!(!is_own(&rules, v6, other));
}

#[test]
fn in_every_form() {
    let rules = Rules::default();
    for form in [
        "::ffff:8.8.4.4",
        "64:ff9b::8.8.4.4",
        "2002:808:404::1",
        "2001:0:808:404::f7f7:f7f7",
        "2001:0:808:808::f7f7:fbfb",
        "2a00::5efe:8.8.4.4",
    ] {
        assert!(is_own(&rules, LOCAL, &format!("[{form}]:1080")), "{form}");
        assert!(is_own(&rules, LOCAL, &format!("[{form}]:1081")), "{form}");
    }
    // A socket for both families sees IPv4-mapped addresses.
    assert!(is_own(&rules, "[::ffff:8.8.4.4]:1080", "8.8.4.4:1080"));
    // The proxy may listen on such an address.
    let six_to_four = "[2002:808:404::1]:1080";
    assert!(is_own(&rules, six_to_four, six_to_four));
}

#[test]
fn other_addresses_of_the_proxy_are_stated() {
    let rules = Rules::builder(Action::Allow)
        .listening_on(socket("1.0.0.1:1080"))
        .listening_on(socket("[2a00::1]:1081"))
        .listening_on(socket("[::ffff:1.0.0.2]:1080"))
        .build();
    for (target, expected) in [
        ("1.0.0.1:1080", true),
        ("1.0.0.1:1081", true),
        ("1.0.0.2:1080", true),
        ("[2a00::1]:1081", true),
        ("[2a00::1]:1080", true),
        ("[64:ff9b::1.0.0.1]:1080", true),
        ("8.8.4.4:1080", true),
        ("8.8.4.4:1081", true),
        ("1.0.0.3:1080", false),
    ] {
        assert_eq!(is_own(&rules, LOCAL, target), expected, "{target}");
    }
}

#[test]
fn a_wildcard_listens_on_the_address_on_which_the_client_came() {
    for wildcard in ["0.0.0.0:8080", "[::]:8080"] {
        let rules = Rules::builder(Action::Allow)
            .listening_on(socket(wildcard))
            .build();
        for (target, expected) in [
            ("8.8.4.4:8080", true),
            ("8.8.4.4:1080", true),
            ("8.8.4.4:8081", true),
            ("8.8.4.5:8080", false),
            ("[64:ff9b::8.8.4.4]:8080", true),
        ] {
            assert_eq!(
                is_own(&rules, LOCAL, target),
                expected,
                "{wildcard}: {target}"
            );
        }
        assert!(is_own(&rules, "[2a00::1]:1080", "[2a00::1]:8080"));
        // A client on a Unix socket came on no address.
        assert!(!is_own(&rules, "0.0.0.0:0", "8.8.4.4:8080"));
    }
}

#[test]
fn only_the_single_address_opens_it() {
    let target = "8.8.4.4:1080";
    for rule in [
        "action = \"allow\"",
        "action = \"allow\", to = \"0.0.0.0/0\"",
        "action = \"allow\", to = \"8.8.4.4/31\"",
        "action = \"allow\", to = [\"8.8.4.0/24\", \"name.example\", \"*.example\", \"8.8.4.5\"]",
        "action = \"allow\", port = 1080",
        "action = \"allow\", client = \"9.9.9.9\"",
        "action = \"report\", command = \"connect\"",
    ] {
        assert!(is_own(&with("allow", rule), LOCAL, target), "{rule}");
        assert!(
            is_own(&with("allow", rule), LOCAL, "8.8.4.4:1081"),
            "{rule}"
        );
    }
    for rule in [
        "action = \"allow\", to = \"8.8.4.4\"",
        "action = \"allow\", to = \"8.8.4.4/32\"",
        "action = \"allow\", to = \"::ffff:8.8.4.4\"",
        "action = \"report\", to = [\"8.8.4.4\", \"0.0.0.0/0\"]",
    ] {
        assert!(!is_own(&with("allow", rule), LOCAL, target), "{rule}");
    }
    let opened = with("deny", "action = \"allow\", to = \"8.8.4.4\", port = 1080");
    assert!(!is_own(&opened, LOCAL, target));
    assert!(opened.explain(&request(LOCAL, "8.8.4.4:1081")).is_refused());
    // The same in code.
    let own: Destination = "8.8.4.4".parse().unwrap();
    let rule = Rule::new(Action::Allow).to(own);
    let rules = Rules::builder(Action::Allow).rule(rule).build();
    assert!(!is_own(&rules, LOCAL, target));
}

#[test]
fn what_a_refusal_says_to_write_opens_it() {
    for (local, target) in [
        (LOCAL, "8.8.4.4:1080"),
        (LOCAL, "[64:ff9b::8.8.4.4]:1080"),
        (LOCAL, "[2001:0:808:404::f7f7:f7f7]:1080"),
        (LOCAL, "[2001:0:7f00:1::f7f7:fbfb]:1080"),
        (LOCAL, "[2a00::5efe:8.8.4.4]:1080"),
        (LOCAL, "[fe80::5efe:8.8.4.4]:1080"),
        ("127.0.0.1:1080", "127.0.0.1:1080"),
        ("[::1]:1080", "[::1]:1080"),
        ("[fd00::1]:1080", "[fd00::1]:1080"),
        ("[2002:808:404::1]:1080", "[2002:808:404::1]:1080"),
        ("[2a00::5efe:8.8.4.4]:1080", "[2a00::5efe:8.8.4.4]:1080"),
        ("[200::1]:1080", "[200::1]:1080"),
    ] {
        assert!(is_own(&Rules::default(), local, target), "{target}");
        for decision in asked(&Rules::default(), local, target) {
            let to = remedy(&decision);
            let rules = with("deny", &format!("action = \"allow\", to = {to}"));
            assert!(!is_own(&rules, local, target), "{target}: {to}");
        }
    }
}

#[test]
fn a_private_address_of_its_own_is_opened_by_itself_only() {
    let local = "10.0.0.1:1080";
    let private = with("allow", "action = \"allow\", to = \"10.0.0.0/8\"");
    assert!(is_own(&private, local, local));
    assert!(is_own(&private, local, "10.0.0.1:80"));
    assert!(!is_own(&private, local, "10.0.0.2:1080"));
    let single = with("allow", "action = \"allow\", to = \"10.0.0.1\"");
    assert!(!is_own(&single, local, local));
}

#[test]
fn allow_private_opens_it() {
    let rules = toml("default = \"allow\"\nallow_private = true");
    for target in ["8.8.4.4:1080", "[64:ff9b::8.8.4.4]:1080"] {
        assert!(!is_own(&rules, LOCAL, target));
    }
    let rules = Rules::builder(Action::Allow)
        .listening_on(socket("1.0.0.1:1080"))
        .allow_private()
        .build();
    assert!(!is_own(&rules, LOCAL, "1.0.0.1:1080"));
}

#[test]
fn datagrams_do_not_go_there_either() {
    let rules = Rules::default();
    let mut associate = request(LOCAL, "0.0.0.0:0");
    associate.command = Command::UDP_ASSOCIATE;
    assert!(rules.check(&associate).is_ok());
    let towards = |target: &str| associate.for_datagram(target.parse().unwrap()).unwrap();
    assert!(rules.check(&towards("8.8.4.4:1080")).is_err());
    assert!(rules.check(&towards("8.8.4.4:53")).is_err());
    assert!(rules.check(&towards("8.8.4.5:53")).is_ok());
    let by_name = towards("name.example:1080");
    assert!(rules.check(&by_name).is_ok());
    let address = socket("8.8.4.4:1080");
    assert!(rules.check_address(&by_name, address).is_err());
}

#[test]
fn loopback_of_its_own_is_that_only_where_it_listens() {
    let opened = with(
        "deny",
        "action = \"allow\", to = [\"127.0.0.0/8\", \"::1\"]",
    );
    for (local, listener, other) in [
        ("127.0.0.1:1080", "127.0.0.1:1080", "127.0.0.1:80"),
        ("127.0.0.1:1080", "127.0.0.1:1080", "127.0.0.2:1080"),
    ] {
        assert!(is_own(&opened, local, listener));
        assert!(!is_own(&opened, local, other));
    }
    // A wildcard is reached by all of them, from wherever the client came.
    let builder: Result<RulesBuilder, _> = ::toml::from_str(
        "default = \"deny\"\nrules = [{ action = \"allow\", to = [\"127.0.0.0/8\", \"::1\"] }]",
    );
    let rules = builder
        .unwrap()
        .listening_on(socket("0.0.0.0:1080"))
        .build();
    for target in [
        "127.0.0.1:1080",
        "127.9.9.9:1080",
        "[::ffff:127.0.0.1]:1080",
    ] {
        assert!(is_own(&rules, LOCAL, target), "{target}");
    }
    assert!(!is_own(&rules, LOCAL, "127.0.0.1:80"));
}

/// The interfaces' addresses are known, at any port, whatever the client came by.
#[test]
fn the_addresses_of_the_interfaces_are_the_hosts_own() {
    let own = own_addresses();
    for address in &own {
        let target = SocketAddr::new(*address, 22).to_string();
        let rules = Rules::default();
        let refused = rules.explain(&request(LOCAL, &target));
        assert!(
            refused.to_string().contains("the proxy's own host"),
            "{refused}"
        );
        let single = with("deny", &format!("action = \"allow\", to = \"{address}\""));
        assert!(!single.explain(&request(LOCAL, &target)).is_refused());
        let anything = with(
            "allow",
            "action = \"allow\", to = [\"0.0.0.0/0\", \"::/0\"]",
        );
        assert!(anything.explain(&request(LOCAL, &target)).is_refused());
        // Where a wildcard listens, it is the proxy itself.
        let wildcard = Rules::builder(Action::Allow)
            .listening_on(socket("0.0.0.0:22"))
            .build();
        let refused = wildcard.explain(&request(LOCAL, &target));
        assert!(
            refused.to_string().contains("a self-connection"),
            "{refused}"
        );
    }
}

/// Addresses that this machine would send from: there are none in a network namespace of its own.
fn own_addresses() -> Vec<std::net::IpAddr> {
    let from = |here: &str, there: &str| {
        let socket = std::net::UdpSocket::bind(here).ok()?;
        socket.connect(there).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
    };
    let v4 = from("0.0.0.0:0", "198.51.100.1:9");
    let v6 = from("[::]:0", "[2001:db8::1]:9");
    v4.into_iter().chain(v6).collect()
}

#[test]
fn what_cannot_be_known_is_stated() {
    let rules = toml("default = \"allow\"\nown = [\"1.0.0.1\", \"2a00::/64\"]");
    for (target, expected) in [
        ("1.0.0.1:80", true),
        ("[64:ff9b::1.0.0.1]:80", true),
        ("[2a00::7]:443", true),
        ("1.0.0.2:80", false),
    ] {
        assert_eq!(is_own(&rules, LOCAL, target), expected, "{target}");
    }
    let opened = toml(
        "default = \"allow\"\nown = \"1.0.0.1\"\n\
         rules = [{ action = \"allow\", to = \"1.0.0.1\", port = 80 }]",
    );
    assert!(!is_own(&opened, LOCAL, "1.0.0.1:80"));
    assert!(is_own(&opened, LOCAL, "1.0.0.1:81"));
    let code = Rules::builder(Action::Allow).own("1.0.0.1".parse().unwrap());
    assert!(is_own(&code.build(), LOCAL, "1.0.0.1:80"));
    let open = toml("default = \"allow\"\nallow_private = true\nown = \"1.0.0.1\"");
    assert!(!is_own(&open, LOCAL, "1.0.0.1:80"));
}
