//! The lines that operators find upstreams by that go down, and come up again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::advance;
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, ClientError,
    connector::{
        failover::{Failover, Health},
        upstream::{HttpUpstream, Socks5Upstream},
    },
    proto::Address,
};
use tracing::Level;

use crate::support::{log::Log, upstream::canned};

#[tokio::test(start_paused = true)]
async fn an_upstream_is_said_to_be_down_once_and_to_be_up_again() {
    let (log, _guard) = Log::start(Level::INFO);
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let health = Health::new(
        "office",
        service_fn(move |()| {
            let broken = is_broken.load(Ordering::Relaxed);
            async move {
                match broken {
                    true => Err(BoxError::from(ClientError::Denied)),
                    false => Ok(()),
                }
            }
        }),
    );
    for works in [false, false, true, true] {
        broken.store(!works, Ordering::Relaxed);
        assert_eq!(health.clone().oneshot(()).await.is_ok(), works);
        advance(Duration::from_secs(60)).await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for (line, parts) in lines.iter().zip([
        ["WARN", "upstream marked down", "upstream=office", "error="],
        ["INFO", "upstream up again", "upstream=office", "failures=2"],
    ]) {
        for part in parts {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}

/// The proxy's own line has the address and the reason.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_down_has_one_warning() {
    let target: Address = "a.example:80".parse().unwrap();
    for kind in ["socks", "http", "health", "nested"] {
        let (log, _guard) = Log::start(Level::INFO);
        let (transport, _) = canned([b"nonsense\r\n\r\n"; 4]);
        let socks = Socks5Upstream::new("first.example:1").via(transport.clone());
        let http = HttpUpstream::new("first.example:1").via(transport);
        let failed = match kind {
            "socks" => {
                let failover = Failover::new([("office", socks.clone()), ("other", socks)]);
                failover.oneshot(target.clone()).await.is_err()
            }
            "http" => {
                let failover = Failover::new([("office", http)]);
                failover.oneshot(target.clone()).await.is_err()
            }
            "health" => {
                let health = Health::new("office", socks);
                health.oneshot(target.clone()).await.is_err()
            }
            _ => {
                let inner = Failover::new([("office", http)]);
                let outer = Failover::new([("all", inner)]);
                outer.oneshot(target.clone()).await.is_err()
            }
        };
        assert!(failed);
        let lines = log.lines();
        let (warnings, others): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.contains("WARN"));
        assert_eq!(warnings.len(), 1, "{kind}: {lines:#?}");
        assert!(warnings[0].contains("upstream does not work"), "{lines:#?}");
        let marked = others.iter().find(|line| line.contains("marked down"));
        assert!(marked.unwrap().contains("upstream=office"), "{lines:#?}");
    }
}

/// Nothing but the alternative knows of it.
#[tokio::test(start_paused = true)]
async fn one_that_nobody_has_warned_of_has_one_warning_nested_or_not() {
    let (log, _guard) = Log::start(Level::INFO);
    let denies = service_fn(|()| async { Err::<(), _>(BoxError::from(ClientError::Denied)) });
    let inner = Failover::new([("office", denies)]);
    let outer = Failover::new([("all", inner)]);
    outer.oneshot(()).await.unwrap_err();
    let lines = log.lines();
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!((lines.len(), warnings.len()), (2, 1), "{lines:#?}");
    assert!(warnings[0].contains("upstream=office"), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_and_goes_has_a_few_lines() {
    let (log, _guard) = Log::start(Level::INFO);
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let failover = Failover::new([(
        "office",
        service_fn(move |()| {
            let broken = is_broken.load(Ordering::Relaxed);
            async move {
                match broken {
                    true => Err(BoxError::from(ClientError::Denied)),
                    false => Ok(()),
                }
            }
        }),
    )]);
    for count in 0..2_000 {
        broken.store(count % 2 == 0, Ordering::Relaxed);
        let _ = failover.clone().oneshot(()).await;
    }
    let lines = log.take();
    assert_eq!(lines.matches("upstream marked down").count(), 4, "{lines}");
    assert_eq!(lines.matches("upstream up again").count(), 4, "{lines}");
    assert_eq!(lines.lines().count(), 8, "{lines}");

    advance(Duration::from_secs(10)).await;
    broken.store(true, Ordering::Relaxed);
    failover.oneshot(()).await.unwrap_err();
    let lines = log.take();
    assert!(lines.contains("suppressed=996"), "{lines}");
}
