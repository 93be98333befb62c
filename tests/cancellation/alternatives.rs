//! Alternatives that requests are balanced between, and probes of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, HandshakeLayer, NoAuth, Request,
    connector::{
        balance::Balance,
        failover::{Failover, Probes, Standing},
    },
    proto::Command,
    session::Accepted,
};

use super::{
    cases::{ANONYMOUS, CONNECT, here, in_memory, says, target},
    drops::{Case, at_every_poll, held},
};

fn request() -> Request {
    Request::new(Command::CONNECT, target())
}

#[test]
fn requests() {
    at_every_poll("a request that is balanced", 1, async || {
        let standings = ["one", "two"].map(Standing::new);
        let both = standings.clone().map(|it| (it, in_memory()));
        Case::new(Balance::new(both).oneshot(request())).releases(move || {
            assert_eq!(standings.each_ref().map(Standing::in_use), [0, 0]);
        })
    });
    for is_balanced in [true, false] {
        at_every_poll("a request that fails over", 2, async || {
            let standings = ["one", "two"].map(Standing::new);
            // The one that is asked first fails, and the other one is asked.
            let is_first = Arc::new(AtomicBool::new(true));
            let service = service_fn(move |request: Request| {
                let is_first = is_first.swap(false, Relaxed);
                async move {
                    tokio::task::yield_now().await;
                    match is_first {
                        true => Err(BoxError::from("it is closed")),
                        false => in_memory().oneshot(request).await,
                    }
                }
            });
            let both = standings.clone().map(|it| (it, service.clone()));
            let case = match is_balanced {
                true => Case::new(Balance::new(both).oneshot(request())),
                false => Case::new(Failover::new(both).oneshot(request())),
            };
            case.releases(move || {
                assert_eq!(standings.each_ref().map(Standing::in_use), [0, 0]);
            })
        });
    }
}

#[test]
fn sessions() {
    at_every_poll("a session that is balanced", 8, async || {
        let standings = ["one", "two"].map(Standing::new);
        let both = standings.clone().map(|it| (it, in_memory()));
        let stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(Balance::new(both)));
        let (near, far, alive) = held();
        let session = stack.oneshot(Accepted::new(near, here(50_000), here(1080)));
        let said = [ANONYMOUS, CONNECT, b"to and fro"].concat();
        Case::new(session)
            .far(async move { says(far, &said).await })
            .releases(move || {
                alive.assert_dropped();
                assert_eq!(standings.each_ref().map(Standing::in_use), [0, 0]);
            })
    });
}

#[test]
fn probes() {
    at_every_poll("probes", 8, async || {
        let standing = Standing::new("one");
        let held = Arc::new(());
        let alive = Arc::downgrade(&held);
        let service = service_fn(move |request: Request| {
            let held = Arc::clone(&held);
            async move {
                let tunnel = in_memory().oneshot(request).await;
                drop(held);
                tunnel
            }
        });
        let probes = Probes::new(Duration::from_millis(10)).run(&standing, service, request());
        Case::new(probes)
            .far(async move {
                for _ in 0..5 {
                    advance(Duration::from_millis(11)).await;
                    // A probe has its turns.
                    for _ in 0..5 {
                        tokio::task::yield_now().await;
                    }
                }
                assert_eq!(standing.in_use(), 0);
                drop(standing);
                // Nobody has it any more, which is seen at the next one.
                advance(Duration::from_millis(22)).await;
            })
            .releases(move || assert!(alive.upgrade().is_none()))
    });
}
