//! Tunnels whose hours are over.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tower::Layer;
use tower_socks::{
    AclLayer, NoAuth, Refusal, Request, Rules,
    layer::acl::{SwapPolicy, recheck::RecheckLayer},
    session::Policy,
};

use crate::support::{Client, stack, targets::targets};

/// A policy that says when it changes, and is asked how often.
#[derive(Clone, Default)]
struct Hours {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    changes: Option<Duration>,
}

impl Policy for Hours {
    fn check(&self, _: &Request) -> Result<(), Refusal> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.over.load(Ordering::SeqCst) {
            true => Err(Refusal::not_allowed("closed at night")),
            false => Ok(()),
        }
    }

    fn check_address(&self, _: &Request, _: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_name(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }

    fn next_change(&self) -> Option<SystemTime> {
        self.changes.map(|changes| SystemTime::now() + changes)
    }
}

fn hours(changes: Option<Duration>) -> Hours {
    Hours {
        changes,
        ..Hours::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_closed_when_its_hours_are_over() {
    let (dialer, mut dialled) = targets();
    let later = Some(Duration::from_secs(600));
    // The last one is swapped in while the tunnel is open.
    for (first, changes) in [(later, later), (None, None), (None, later)] {
        let policy = SwapPolicy::new(hours(first));
        let service = AclLayer::new(policy.clone()).layer(dialer.clone());
        let service = RecheckLayer::new(policy.clone()).layer(service);
        let mut client = Client::new(stack(NoAuth, service)).connected().await;
        let _target = dialled.recv().await.unwrap();
        if first != changes {
            policy.swap(hours(changes));
        }
        policy.current().over.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(590)).await;
        assert!(!client.is_over());
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(client.is_over(), changes.is_some());
        if changes.is_some() {
            let error = client.outcome().await.unwrap_err();
            let causes =
                std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
            let source: Vec<_> = causes.map(ToString::to_string).collect();
            let source = source.join(": ");
            assert!(source.contains("closed at night"), "{source}");
        }
    }
}

/// A policy whose change is always now does not keep the machine busy.
#[tokio::test(start_paused = true)]
async fn it_is_asked_once_a_second_at_most() {
    let (dialer, mut dialled) = targets();
    let policy = SwapPolicy::new(hours(Some(Duration::ZERO)));
    let service = AclLayer::new(policy.clone()).layer(dialer);
    let service = RecheckLayer::new(policy.clone()).layer(service);
    let _client = Client::new(stack(NoAuth, service)).connected().await;
    let _target = dialled.recv().await.unwrap();
    let asked = Arc::clone(&policy.current().asked);
    let before = asked.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_eq!(asked.load(Ordering::SeqCst) - before, 10);
}

#[test]
fn rules_say_when_their_hours_begin_and_end() {
    let rules = |text: &str| -> Rules {
        toml::from_str(&format!("default = \"deny\"\ntime_zone = \"UTC\"\n{text}")).unwrap()
    };
    let minute = |hour: u64, minute: u64| {
        UNIX_EPOCH + Duration::from_secs(86_400 * 20_000 + hour * 3600 + minute * 60)
    };
    let work = rules("rules = [{ action = \"allow\", time = \"08:07-18:00\" }]");
    for (now, next) in [
        ((8, 0), (8, 7)),
        ((8, 7), (8, 15)),
        ((17, 50), (18, 0)),
        ((3, 1), (3, 15)),
    ] {
        let (now, next) = (minute(now.0, now.1), minute(next.0, next.1));
        assert_eq!(work.next_change_after(now), Some(next));
        let within = now + Duration::from_secs(59);
        assert_eq!(work.next_change_after(within), Some(next));
    }
    let sunday = rules("rules = [{ action = \"allow\", weekday = \"sun\" }]");
    assert_eq!(
        sunday.next_change_after(minute(23, 50)),
        Some(minute(24, 0))
    );
    let anything = rules("rules = [{ action = \"allow\", port = 80 }]");
    assert_eq!(anything.next_change_after(minute(8, 0)), None);
    assert_eq!(anything.next_change(), None);
    assert!(work.next_change().is_some());
}
