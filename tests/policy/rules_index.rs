//! `Rules` find by their index what reading them one after the other would find.

use std::net::SocketAddr;

use proptest::prelude::*;
use tower_socks::{
    Rules,
    proto::Command,
    rules::{Decision, Effect},
};

use crate::support::rules::{
    linear::{Asked, Known, Reading},
    universe::{ADDRESSES, Client, NAMES, Often, PORTS, Target, client, reading, rules, target},
};

fn decided(decision: &Decision) -> (Effect, usize) {
    (decision.effect(), decision.rule().unwrap_or_default())
}

/// Asks about a request as stated, and about every address that may be used for it.
fn compare(
    rules: &Rules,
    reading: &Reading,
    client: &Client,
    target: &Target,
) -> Result<(), TestCaseError> {
    let request = client.request(target);
    let asked = client.asked(target);
    let decision = rules.explain(&request);
    let stated = decided(&decision);
    prop_assert_eq!(stated, reading.decides(&asked), "{}", decision);
    for known in &*ADDRESSES {
        let used = Asked {
            address: Some(known),
            port: Some(client.port),
            ..asked.clone()
        };
        let decision = rules.explain_address(&request, SocketAddr::new(known.address, client.port));
        let at_address = decided(&decision);
        prop_assert_eq!(at_address, reading.decides(&used), "{}", decision);
        if asked.address.is_none() {
            check_order(stated, at_address, reading.is_barred(&used), &decision)?;
        }
    }
    Ok(())
}

/// What is known about the answer for an address once there is one for the request as stated.
fn check_order(
    stated: (Effect, usize),
    at_address: (Effect, usize),
    barred: bool,
    decision: &Decision,
) -> Result<(), TestCaseError> {
    match stated {
        (Effect::Refused, _) => prop_assert_eq!(at_address.0, Effect::Refused, "{}", decision),
        // Rules before it may know the address.
        (Effect::Allowed | Effect::Reported, rule) if rule > 0 && !barred => {
            prop_assert!(
                (1..=rule).contains(&at_address.1),
                "{:?}: {}",
                stated,
                decision
            );
        }
        _ => {}
    }
    Ok(())
}

fn requests(count: usize) -> impl Strategy<Value = Vec<(Client, Target)>> {
    prop::collection::vec((client(), target()), count)
}

proptest! {
    #[test]
    fn with_few_rules(
        reading in reading(0..12, Often { who: 30, what: 60, many: 1 }),
        requests in requests(6),
    ) {
        let rules = rules(&reading);
        for (client, target) in &requests {
            compare(&rules, &reading, client, target)?;
        }
    }

    /// An association is refused only where all of its datagrams would be.
    #[test]
    fn with_datagrams(
        reading in reading(0..6, Often { who: 20, what: 80, many: 1 }),
        mut client in client(),
    ) {
        client.command = Command::UDP_ASSOCIATE;
        let associates = reading.decides(&client.asked(&Target::Nowhere));
        let rules = rules(&reading);
        prop_assert_eq!(decided(&rules.explain(&client.request(&Target::Nowhere))), associates);
        if associates.0 == Effect::Refused {
            for port in PORTS {
                client.port = port;
                let names = NAMES.map(|name| Target::Name(name.to_owned()));
                for target in names {
                    prop_assert!(rules.explain(&client.request(&target)).is_refused());
                }
                for known in &*ADDRESSES {
                    let target = Target::Literal(Known::clone(known));
                    prop_assert!(rules.explain(&client.request(&target)).is_refused());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn with_two_thousand_rules(
        reading in reading(2000, Often { who: 85, what: 95, many: 20 }),
        requests in requests(20),
    ) {
        let rules = rules(&reading);
        prop_assert_eq!(rules.len(), 2000);
        for (client, target) in &requests {
            compare(&rules, &reading, client, target)?;
        }
    }

    #[test]
    fn with_two_thousand_destinations(
        reading in reading(2000, Often { who: 5, what: 99, many: 99 }),
        requests in requests(20),
    ) {
        let rules = rules(&reading);
        for (client, target) in &requests {
            compare(&rules, &reading, client, target)?;
        }
    }
}
