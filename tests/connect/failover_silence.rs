//! `Failover` and `Health` when an alternative says nothing, and active checks.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpListener,
    time::{Instant, advance, sleep, timeout},
};
use tower::{Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_socks::{
    BoxError, ClientError, Request,
    connector::{
        BoxConnector,
        direct::Direct,
        failover::{Failover, Health},
        upstream::Socks5Upstream,
    },
    error::{Step, reply_code},
    proto::{Address, Command, ReplyCode},
};

use crate::support::{HELLO, HELLO_OK, Script, failure};

/// The request is for a target that is silent, or for another one.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Silent,
    Other,
}

type Alternative = BoxCloneService<To, &'static str, BoxError>;

/// A proxy that may say nothing at all; of a silent target it says nothing in any case.
#[derive(Clone, Default)]
struct Proxy {
    hangs: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Proxy {
    fn service(&self, name: &'static str) -> Alternative {
        let Self { hangs, asked } = self.clone();
        service_fn(move |to| {
            asked.fetch_add(1, Ordering::Relaxed);
            let silent = hangs.load(Ordering::Relaxed) || to == To::Silent;
            async move {
                match silent {
                    true => pending().await,
                    false => Ok::<_, BoxError>(name),
                }
            }
        })
        .boxed_clone()
    }

    fn hangs(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn two() -> (Proxy, Failover<Alternative>) {
    let (first, second) = (Proxy::default(), Proxy::default());
    let failover = Failover::new([
        ("first", first.service("first")),
        ("second", second.service("second")),
    ]);
    (first, failover)
}

#[tokio::test(start_paused = true)]
async fn silence_takes_its_share_once_and_then_the_other_is_asked() {
    for share in [None, Some(Duration::from_secs(3))] {
        let (first, mut failover) = two();
        first.hangs(true);
        if let Some(share) = share {
            failover = failover.share(share);
        }
        let started = Instant::now();
        assert_eq!(failover.clone().oneshot(To::Other).await.unwrap(), "second");
        assert_eq!(started.elapsed(), share.unwrap_or(Duration::from_secs(10)));
        assert_eq!(failover.names(), ["second", "first"]);
        // The next one does not wait.
        let started = Instant::now();
        assert_eq!(failover.clone().oneshot(To::Other).await.unwrap(), "second");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_counts_though_a_timeout_above_is_shorter() {
    let (first, failover) = two();
    first.hangs(true);
    let limit = Duration::from_secs(3);
    let asking = timeout(limit, failover.clone().oneshot(To::Other));
    asking.await.unwrap_err();
    let asking = timeout(limit, failover.clone().oneshot(To::Other));
    assert_eq!(asking.await.unwrap().unwrap(), "second");

    // Whoever goes after a moment has not waited in vain.
    let (first, failover) = two();
    first.hangs(true);
    let asking = timeout(Duration::from_secs(1), failover.clone().oneshot(To::Other));
    asking.await.unwrap_err();
    assert_eq!(failover.names(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_silent_targets_takes_no_alternative_from_others() {
    let (_, failover) = two();
    let silent = tokio::spawn(failover.clone().oneshot(To::Silent));
    for _ in 0..12 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(failover.clone().oneshot(To::Other).await.unwrap(), "first");
    }
    assert_eq!(failover.names(), ["first", "second"]);
    silent.abort();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_silent_is_not_ready_for_a_balancer() {
    let proxy = Proxy::default();
    proxy.hangs(true);
    let mut health = Health::new("proxy", proxy.service("proxy"));
    let asking = health.ready().await.unwrap().call(To::Other);
    timeout(Duration::from_secs(5), asking).await.unwrap_err();
    assert!(!health.is_up());
}

#[tokio::test(start_paused = true)]
async fn the_last_alternative_has_all_the_time_that_is_left() {
    let slow = service_fn(|()| async {
        sleep(Duration::from_secs(60)).await;
        Ok::<_, BoxError>(())
    });
    let failover = Failover::new([("only", slow)]);
    failover.oneshot(()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn checks_find_out_what_no_client_has() {
    let (first, failover) = two();
    first.hangs(true);
    let checks = tokio::spawn(failover.checks(Duration::from_secs(5), To::Other));
    sleep(Duration::from_millis(10_001)).await;
    assert_eq!(
        failover.names(),
        ["second", "first"],
        "silence is not found"
    );

    // The check that hangs at the moment has its share as well.
    first.hangs(false);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(failover.names(), ["first", "second"], "life is not found");
    let asked = first.asked();
    sleep(Duration::from_secs(50)).await;
    assert_eq!(first.asked(), asked + 10);
    checks.abort();
    advance(Duration::from_secs(60)).await;
    assert_eq!(first.asked(), asked + 10);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_reached_is_an_answer_to_a_check() {
    let refuses = service_fn(|()| async {
        Err::<(), _>(BoxError::from(ClientError::Refused(
            ReplyCode::HOST_UNREACHABLE,
        )))
    });
    let closes = service_fn(|()| async {
        Err::<(), _>(BoxError::from(ClientError::Closed {
            step: Step::Greeting,
        }))
    });
    let failover = Failover::new([
        ("closes", closes.boxed_clone()),
        ("refuses", refuses.boxed_clone()),
    ]);
    let checks = failover.checks(Duration::from_secs(60), ());
    timeout(Duration::from_millis(10), checks)
        .await
        .unwrap_err();
    assert_eq!(failover.names(), ["refuses", "closes"]);
}

/// What becomes of a request to `target` with a proxy that replies with `code`, and `Direct` behind.
async fn with_direct_behind(target: &TcpListener, code: u8) -> Result<(), BoxError> {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(proxy.local_addr().unwrap());
    let failover = Failover::new([
        ("proxy", BoxConnector::new(Socks5Upstream::new(address))),
        ("direct", BoxConnector::new(Direct::new())),
    ]);
    let target = Address::Ip(target.local_addr().unwrap());
    let asking = failover.oneshot(Request::new(Command::CONNECT, target));
    let answering = async {
        let (mut client, _) = proxy.accept().await.unwrap();
        client.hear(HELLO).await;
        client.say(HELLO_OK).await;
        tokio::io::AsyncReadExt::read_exact(&mut client, &mut [0; 10])
            .await
            .unwrap();
        client.say(&failure(code)).await;
    };
    tokio::join!(asking, answering).0.map(drop)
}

#[tokio::test]
async fn what_a_proxy_refuses_is_not_sent_direct() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for code in 1..=8 {
        let error = with_direct_behind(&target, code).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode(code));
    }
    let nobody = timeout(Duration::from_millis(50), target.accept()).await;
    assert!(nobody.is_err(), "somebody came direct");
}

/// A client asks for a target that says nothing, and hangs up after 3 s. Returns the names of the alternatives in
/// the order in which they are tried from then on.
async fn after_a_client_that_hangs_up(proxy_speaks: bool) -> Vec<String> {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(proxy.local_addr().unwrap());
    let failover = Failover::new([
        ("first", Socks5Upstream::new(address.clone())),
        ("second", Socks5Upstream::new(address)),
    ]);
    let target = Request::new(Command::CONNECT, "192.0.2.1:80".parse().unwrap());
    let asking = tokio::spawn(failover.clone().oneshot(target));
    let (mut client, _) = proxy.accept().await.unwrap();
    client.hear(HELLO).await;
    if proxy_speaks {
        client.say(HELLO_OK).await;
        tokio::io::AsyncReadExt::read_exact(&mut client, &mut [0; 10])
            .await
            .unwrap();
    }
    tokio::time::pause();
    advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    failover.names().into_iter().map(String::from).collect()
}

#[tokio::test]
async fn a_proxy_that_speaks_is_not_blamed_for_a_silent_target() {
    assert_eq!(
        after_a_client_that_hangs_up(true).await,
        ["first", "second"]
    );
    assert_eq!(
        after_a_client_that_hangs_up(false).await,
        ["second", "first"]
    );
}
