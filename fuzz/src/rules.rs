//! Rules as people write them, in TOML or JSON, and questions to those that are taken.

use std::{
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

use tower_socks::{
    Identity, Request, Rules,
    proto::{Address, Command},
    rules::Effect,
    session::{Check, Policy},
};

/// A file of rules.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(rules) = serde_json::from_str::<Rules>(&text) {
        judges(&rules);
    }
    let Ok(rules) = toml::from_str::<Rules>(&text) else {
        return;
    };
    judges(&rules);
    // The same in the other language is the same.
    let table: toml::Table = toml::from_str(&text).expect("it was TOML before");
    let json = serde_json::to_string(&table).expect("tables are objects");
    let same: Rules = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(rules.len(), same.len());
    for request in requests() {
        for check in checks() {
            let [ours, theirs] = [&rules, &same].map(|rules| {
                rules.explain_at(
                    &request,
                    check,
                    UNIX_EPOCH + Duration::from_secs(86_400 * 365),
                )
            });
            assert_eq!(ours.to_string(), theirs.to_string());
        }
    }
}

fn requests() -> impl Iterator<Item = Request> {
    let targets = [
        "www.example.com:443",
        "example.com:25",
        "9.9.9.9:53",
        "127.0.0.1:80",
        "10.1.2.3:8080",
        "[2001:db8::1]:443",
        "[64:ff9b::7f00:1]:80",
    ];
    let people = [
        Identity::anonymous(),
        Identity::named("joe").with_groups(["staff"]),
    ];
    let commands = [
        Command::CONNECT,
        Command::BIND,
        Command::UDP_ASSOCIATE,
        Command(0xf0),
    ];
    targets
        .into_iter()
        .enumerate()
        .map(move |(number, target)| {
            let target: Address = target.parse().expect("an address");
            let mut request = Request::new(commands[number % 4], target);
            request.identity = people[number % 2].clone();
            request.peer = ([192, 0, 2, 7], 50_000).into();
            request.local = ([203, 0, 113, 1], 1080).into();
            request
        })
}

fn addresses() -> [SocketAddr; 3] {
    [
        ([9, 9, 9, 9], 443).into(),
        ([169, 254, 169, 254], 80).into(),
        ([0x2606, 0x4700, 0, 0, 0, 0, 0, 1], 443).into(),
    ]
}

fn checks() -> impl Iterator<Item = Check> {
    let addresses = addresses().into_iter().map(Check::Address);
    [Check::Stated, Check::Name].into_iter().chain(addresses)
}

/// Rules that were taken answer every question, the same way however it is asked.
fn judges(rules: &Rules) {
    for request in requests() {
        let stated = rules.explain(&request);
        assert!(!stated.to_string().is_empty());
        assert!(
            stated
                .rule()
                .is_none_or(|rule| (1..=rules.len()).contains(&rule))
        );
        // The clock may go on between two questions.
        if stated.effect() == rules.explain(&request).effect() {
            assert_eq!(
                stated.is_refused(),
                rules.check(&request).is_err(),
                "{stated}"
            );
        }
        let remote_dns = rules.explain_name(&request);
        assert_ne!(remote_dns.effect(), Effect::Open, "{remote_dns}");
        for address in addresses() {
            let decision = rules.explain_address(&request, address);
            assert_ne!(decision.effect(), Effect::Open, "{decision}");
            // What is refused as stated is refused for each of its addresses.
            let by_name = request.target.name().is_some();
            if by_name && stated.is_refused() {
                assert!(decision.is_refused(), "{stated}, but {decision}");
            }
        }
        // An address that is stated is judged as that address.
        if let (Some(address), Command::CONNECT) = (request.target.ip(), request.command) {
            let decision = rules.explain_address(&request, address);
            assert_eq!(
                stated.effect(),
                decision.effect(),
                "{stated}, but {decision}"
            );
        }
    }
}
