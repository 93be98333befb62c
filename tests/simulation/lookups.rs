//! RESOLVE and RESOLVE_PTR: a reply, and nothing to relay.

use std::{
    future::pending,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use tower::service_fn;
use tower_socks::{
    BoxError, Connector,
    connector::{
        name_service::NameService,
        resolve::{Lookup, ReverseLookup},
    },
    proto::DomainName,
};

use super::{
    peer::{Script, Then},
    scenarios::{HELLO, HELLO_OK, UP, failure},
    session::Plan,
    sockets::{Heard, play_behind, stream_over},
    stack::{Bottom, DEADLINE, FAREWELL, Front, REPLY, bottom},
    sweep::{self, Operations, Polls, sweep},
};

const RESOLVE: &[u8] = b"\x05\xf0\x00\x03\x0btwo.example\x00\x00";
const FOUND: &[u8] = b"\x05\x00\x00\x01\xc0\x00\x02\x07\x00\x00";
const RESOLVE_PTR: &[u8] = b"\x05\xf1\x00\x01\xc0\x00\x02\x07\x00\x00";
const NAME: &[u8] = b"\x05\x00\x00\x03\x0btwo.example\x00\x00";
/// RESOLVE of SOCKS4a.
const RESOLVE_4A: &[u8] = b"\x04\xf0\x00\x00\0\0\0\x01joe\0two.example\0";
const FOUND_4A: &[u8] = b"\x00\x5a\x00\x00\xc0\x00\x02\x07";

/// For a lookup: shorter than what everything below the policy has.
const LIMIT: Duration = Duration::from_secs(20);

/// What a resolver does.
#[derive(Clone, Copy)]
enum Answer {
    After(Duration),
    Never,
}

impl Answer {
    async fn wait(self) {
        match self {
            Self::After(delay) => tokio::time::sleep(delay).await,
            Self::Never => pending().await,
        }
    }
}

/// Every name is at 192.0.2.7, whose name is two.example.
fn names(answer: Answer) -> Bottom {
    let addresses = service_fn(move |_: Lookup| async move {
        answer.wait().await;
        Ok::<_, BoxError>(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))])
    });
    let names = service_fn(move |_: ReverseLookup| async move {
        answer.wait().await;
        Ok::<_, BoxError>(vec![DomainName::new("two.example").unwrap()])
    });
    let service = NameService::new().resolver(addresses);
    let service = service.reverse_resolver(names).timeout(LIMIT);
    bottom(Connector::direct().with_resolve(service))
}

/// A dialogue, and what has to come of it.
struct Lookups {
    front: Front,
    script: Script,
    answer: Answer,
    replies: Vec<u8>,
    takes: Duration,
}

async fn play(name: &str, lookups: Lookups, least: usize) {
    let run = async |plan: Plan| -> Operations {
        let nobody = |mut heard: Heard| async move { stream_over(&mut heard).await };
        let (front, script) = (lookups.front, lookups.script.clone());
        let played = play_behind(front, plan, None, script, names(lookups.answer), nobody);
        let (ended, (), operations) = played.await;
        let about = || format!("{plan:?}: {ended:?}");
        assert!(lookups.replies.starts_with(&ended.heard), "{}", about());
        // Nothing is relayed, whatever the client says behind its request.
        if let Some(traffic) = ended.traffic() {
            assert_eq!((traffic.up, traffic.down), (0, 0), "{}", about());
        }
        ended.assert_within(DEADLINE.max(LIMIT) + REPLY + FAREWELL);
        if plan.is_harmless() {
            assert_eq!(ended.heard, lookups.replies, "{}", about());
            let late = ended.took - lookups.takes;
            assert!(late < Duration::from_millis(10), "{}", about());
        }
        operations
    };
    let count = sweep(sweep::ALL, Polls::AlwaysTheSame, run).await;
    count.report(name, least);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up() {
    let lookups = Lookups {
        front: Front::Socks5,
        script: Script::new([(0, HELLO), (2, RESOLVE)], Then::Waits),
        answer: Answer::After(Duration::ZERO),
        replies: [HELLO_OK, FOUND].concat(),
        takes: Duration::ZERO,
    };
    play("RESOLVE", lookups, 80).await;
}

#[tokio::test(start_paused = true)]
async fn the_name_of_an_address_is_looked_up_all_in_one_go() {
    let delay = Duration::from_secs(3);
    let all = [HELLO, RESOLVE_PTR, UP].concat();
    let lookups = Lookups {
        front: Front::Socks5,
        script: Script::new([(0, all)], Then::Ends),
        answer: Answer::After(delay),
        replies: [HELLO_OK, NAME].concat(),
        takes: delay,
    };
    play("RESOLVE_PTR, data behind it, slow", lookups, 80).await;
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_hangs() {
    let lookups = Lookups {
        front: Front::Socks5,
        script: Script::new([(0, HELLO), (2, RESOLVE)], Then::Waits),
        answer: Answer::Never,
        replies: [HELLO_OK, &failure(6)].concat(),
        takes: LIMIT,
    };
    play("RESOLVE, no answer", lookups, 80).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_by_socks4a() {
    let lookups = Lookups {
        front: Front::Socks4,
        script: Script::new([(0, RESOLVE_4A)], Then::Waits),
        answer: Answer::After(Duration::ZERO),
        replies: FOUND_4A.to_vec(),
        takes: Duration::ZERO,
    };
    play("SOCKS4a, RESOLVE", lookups, 60).await;
}
