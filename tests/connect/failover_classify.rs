//! How `Failover` and `Health` classify failures: the alternative, the request or the target.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, advance};
use tower::{
    ServiceExt,
    load::{CompleteOnResponse, Load, PendingRequests},
    service_fn,
    util::BoxCloneService,
};
use tower_socks::{
    BoxError, ClientError,
    connector::failover::{Classify, Failover, FailureClass, Health},
    error::Step,
    proto::{Address, Method, MethodSet, ParseAddressError, ReplyCode},
};

type Alternative = BoxCloneService<(), (), BoxError>;

fn failing(error: impl Fn() -> ClientError + Clone + Send + 'static) -> Alternative {
    service_fn(move |()| {
        let error = error();
        async move { Err(BoxError::from(error)) }
    })
    .boxed_clone()
}

/// What an error makes of an alternative, as one can tell from outside.
async fn classified(alternative: Alternative) -> FailureClass {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let other = service_fn(move |()| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<(), BoxError>(()) }
    });
    let failover = Failover::new([("alternative", alternative), ("other", other.boxed_clone())]);
    let _ = failover.clone().oneshot(()).await;
    let is_down = failover.names()[0] != "alternative";
    match (asked.load(Ordering::Relaxed), is_down) {
        (1, true) => FailureClass::Alternative,
        (1, false) => FailureClass::Request,
        (0, false) => FailureClass::Target,
        other => panic!("{other:?}"),
    }
}

fn refused(code: ReplyCode) -> ClientError {
    ClientError::Refused(code)
}

#[tokio::test(start_paused = true)]
async fn a_socks_proxy_is_down_that_fails_before_it_knows_the_request() {
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    let offered = || {
        [Method::NO_AUTHENTICATION]
            .into_iter()
            .collect::<MethodSet>()
    };
    for step in [Step::Greeting, Step::Authentication] {
        let alternative = failing(move || ClientError::Closed { step });
        assert_eq!(
            classified(alternative).await,
            FailureClass::Alternative,
            "{step}"
        );
        let alternative = failing(move || ClientError::Io {
            step,
            source: broken(),
        });
        assert_eq!(
            classified(alternative).await,
            FailureClass::Alternative,
            "{step}"
        );
    }
    for error in [
        || ClientError::Denied,
        || ClientError::Authentication("no ticket".into()),
        || ClientError::InvalidProxy(ParseAddressError::Port),
    ] {
        assert_eq!(
            classified(failing(error)).await,
            FailureClass::Alternative,
            "{}",
            error()
        );
    }
    let alternative = failing(move || ClientError::NoAcceptableMethod { offered: offered() });
    assert_eq!(classified(alternative).await, FailureClass::Alternative);
    let alternative = failing(move || ClientError::Unreachable {
        proxy: Address::UNSPECIFIED,
        source: broken().into(),
    });
    assert_eq!(classified(alternative).await, FailureClass::Alternative);
}

#[tokio::test(start_paused = true)]
async fn a_socks_proxy_that_fails_with_the_request_is_not_down_for_others() {
    for step in [Step::Request, Step::Dial, Step::Reply] {
        let alternative = failing(move || ClientError::Closed { step });
        assert_eq!(
            classified(alternative).await,
            FailureClass::Request,
            "{step}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_socks_proxy_answers_is_the_answer() {
    for code in [
        // Whatever another alternative would do: the rules of this one are rules.
        ReplyCode::NOT_ALLOWED,
        ReplyCode::COMMAND_NOT_SUPPORTED,
        ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED,
        ReplyCode::GENERAL_FAILURE,
        ReplyCode::NETWORK_UNREACHABLE,
        ReplyCode::HOST_UNREACHABLE,
        ReplyCode::CONNECTION_REFUSED,
        ReplyCode::TTL_EXPIRED,
        ReplyCode(99),
    ] {
        let alternative = failing(move || refused(code));
        assert_eq!(
            classified(alternative).await,
            FailureClass::Target,
            "{code}"
        );
    }
    // Ours, and another proxy changes nothing about it.
    let alternative = failing(|| ClientError::TooLarge { len: 2, most: 1 });
    assert_eq!(classified(alternative).await, FailureClass::Target);
}

#[cfg(feature = "http-connect")]
#[tokio::test(start_paused = true)]
async fn an_http_proxy_is_judged_by_its_status() {
    use tower_socks::connector::upstream::HttpUpstream;

    for (said, expected) in [
        // It lets nobody in, or does no CONNECT for anybody.
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            FailureClass::Alternative,
        ),
        (
            "HTTP/1.1 405 Method Not Allowed\r\n\r\n",
            FailureClass::Alternative,
        ),
        (
            "HTTP/1.1 501 Not Implemented\r\n\r\n",
            FailureClass::Alternative,
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", FailureClass::Alternative),
        // It does not do this: that is an answer.
        ("HTTP/1.1 403 Forbidden\r\n\r\n", FailureClass::Target),
        ("HTTP/1.1 404 Not Found\r\n\r\n", FailureClass::Target),
        // It has had enough of us, or has hung up on it.
        (
            "HTTP/1.1 429 Too Many Requests\r\n\r\n",
            FailureClass::Request,
        ),
        ("HTTP/1.1 200", FailureClass::Request),
        ("", FailureClass::Request),
        // It has tried.
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", FailureClass::Target),
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            FailureClass::Target,
        ),
        ("HTTP/1.1 504 Gateway Timeout\r\n\r\n", FailureClass::Target),
    ] {
        let (alternative, _) = crate::support::upstream::canned([said]);
        let upstream =
            HttpUpstream::new("proxy.example:3128".parse::<Address>().unwrap()).via(alternative);
        let alternative = service_fn(move |()| {
            let upstream = upstream.clone();
            let target: Address = "example.com:443".parse().unwrap();
            async move { upstream.oneshot(target).await.map(drop) }
        });
        assert_eq!(
            classified(alternative.boxed_clone()).await,
            expected,
            "{said:?}"
        );
    }
}

#[cfg(feature = "http-connect")]
#[tokio::test(start_paused = true)]
async fn an_http_proxy_that_nobody_reaches_is_down() {
    use std::io;
    use tower_socks::connector::upstream::HttpUpstream;

    {
        let unreachable = service_fn(|_: Address| async {
            let error = io::Error::from(io::ErrorKind::ConnectionRefused);
            Err::<tower_socks::session::Connected<tokio::io::DuplexStream>, _>(error)
        });
        let upstream =
            HttpUpstream::new("proxy.example:3128".parse::<Address>().unwrap()).via(unreachable);
        let target: Address = "example.com:443".parse().unwrap();
        let alternative = service_fn(move |()| {
            let asking = upstream.clone().oneshot(target.clone());
            async move { asking.await.map(drop) }
        });
        assert_eq!(
            classified(alternative.boxed_clone()).await,
            FailureClass::Alternative
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failures_may_be_classified_by_a_function_of_ones_own() {
    let picky = Classify::new(|error| match error.downcast_ref() {
        Some(ClientError::Refused(_)) => FailureClass::Alternative,
        _ => FailureClass::Target,
    });
    let refuses = failing(|| refused(ReplyCode::HOST_UNREACHABLE));
    let by_default = Health::new("alternative", refuses.clone());
    by_default.clone().oneshot(()).await.unwrap_err();
    assert!(by_default.is_up());

    let health = Health::new("alternative", refuses).classify(picky);
    assert_eq!(health.name(), "alternative");
    health.clone().oneshot(()).await.unwrap_err();
    assert!(!health.is_up());

    let closes = failing(|| ClientError::Closed {
        step: Step::Greeting,
    });
    let health = Health::new("alternative", closes).classify(picky);
    health.clone().oneshot(()).await.unwrap_err();
    assert!(health.is_up());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_alternative_waits_longer_when_it_has_failed_again() {
    let health = Health::new("alternative", failing(|| ClientError::Denied));
    let (mut patient, failing) = (health.clone(), health.clone());
    failing.clone().oneshot(()).await.unwrap_err();
    let started = Instant::now();
    // Waits for the end of the first second, and somebody else is faster.
    let mut waiting = tokio_test::task::spawn(async { patient.ready().await.map(drop) });
    tokio_test::assert_pending!(waiting.poll());
    advance(Duration::from_secs(1)).await;
    failing.oneshot(()).await.unwrap_err();
    tokio_test::assert_pending!(waiting.poll());
    waiting.await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_alternative_is_as_loaded_as_the_requests_on_it() {
    let never = service_fn(|()| std::future::pending::<Result<(), BoxError>>());
    let loaded = PendingRequests::new(never, CompleteOnResponse::default());
    let mut health = Health::new("alternative", loaded);
    let load = |health: &Health<_>| format!("{:?}", health.load());
    let idle = load(&health);
    let asking = tower::Service::call(health.ready().await.unwrap(), ());
    let busy = load(&health);
    assert_ne!(idle, busy);
    assert!(busy.contains('1'), "{busy}");
    drop(asking);
    assert_eq!(load(&health), idle);
}
