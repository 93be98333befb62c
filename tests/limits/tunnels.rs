//! Limits on tunnels and requests: who is admitted, who waits, and what is remembered.

use std::{
    collections::HashMap,
    convert::Infallible,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::{Instant, advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Identity, NoAuth, Request,
    error::reply_code,
    layer::{
        key::{self, UserOrClient},
        limit::{Admission, ConcurrentTunnels, LimitLayer, Limiter, RequestRate},
    },
    proto::{Address, Command, ReplyCode},
    session::Connected,
};

use crate::support::{Client, stack, targets::targets};

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

fn admitted<L: Limiter>(limiter: &L, user: &str) -> Option<L::Permit> {
    match limiter.admit(&request(user)) {
        Admission::Permit(permit) => Some(permit),
        Admission::Refused(_) => None,
        Admission::Later(_) => panic!("nobody was to wait"),
    }
}

#[test]
fn a_key_has_its_tunnels_and_no_other_is_concerned() {
    let tunnels = ConcurrentTunnels::new(2, key::user);
    let first = admitted(&tunnels, "joe").unwrap();
    let second = admitted(&tunnels.clone(), "joe").unwrap();
    assert!(admitted(&tunnels, "joe").is_none());
    assert!(admitted(&tunnels, "jane").is_some());
    assert_eq!(tunnels.live(&"joe".into()), 2);
    drop(first);
    assert_eq!(tunnels.live(&"joe".into()), 1);
    let again = admitted(&tunnels, "joe").unwrap();
    drop((second, again));
    assert_eq!(tunnels.keys(), 0);
    // Nobody in particular is not limited.
    let anonymous = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    for _ in 0..10 {
        assert!(matches!(tunnels.admit(&anonymous), Admission::Permit(None)));
    }
}

#[test]
fn keys() {
    let mut request = request("joe");
    request.peer = "203.0.113.7:1".parse().unwrap();
    assert_eq!(key::global(&request), Some(key::Global));
    let joe = UserOrClient::User("joe".into());
    assert_eq!(key::user_or_client(&request), Some(joe));
    assert_eq!(key::client(&request), Some("203.0.113.7".parse().unwrap()));
    let network = key::client_network(24, 48);
    use key::KeyExtractor;
    assert_eq!(network.key(&request), Some("203.0.113.0".parse().unwrap()));
    request.identity = Identity::default();
    let client = UserOrClient::Client("203.0.113.7".parse().unwrap());
    assert_eq!(key::user_or_client(&request), Some(client.clone()));
    assert_eq!(format!("{client:?}"), "203.0.113.7");
    request.peer = "[2001:db8:1:2:3:4:5:6]:1".parse().unwrap();
    assert_eq!(
        key::client(&request),
        Some("2001:db8:1:2::".parse().unwrap())
    );
    assert_eq!(network.key(&request), Some("2001:db8:1::".parse().unwrap()));
    request.peer = "[::ffff:203.0.113.7]:1".parse().unwrap();
    assert_eq!(key::client(&request), Some("203.0.113.7".parse().unwrap()));
    request.peer = "0.0.0.0:0".parse().unwrap();
    assert_eq!(key::client(&request), None);
    assert_eq!(key::client_network(0, 0).key(&request), None);
    assert_eq!(key::target(&request), Some(Address::UNSPECIFIED));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_admitted_in_order_or_refused_in_the_end() {
    let tunnels = ConcurrentTunnels::new(1, key::user).wait(Duration::from_secs(5));
    let first = admitted(&tunnels, "joe").unwrap();
    let waiting = |user| match tunnels.admit(&request(user)) {
        Admission::Later(later) => later,
        other => panic!("{other:?}"),
    };
    let started = Instant::now();
    let (second, third) = (waiting("joe"), waiting("joe"));
    let fourth = waiting("joe");
    // Jane waits for nobody.
    assert!(admitted(&tunnels, "jane").is_some());
    drop(fourth); // gives its place up
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(first);
    });
    let (second, third) = tokio::join!(
        async {
            let permit = second.await;
            assert_eq!(started.elapsed().as_secs(), 2);
            permit
        },
        async {
            let outcome = third.await;
            assert_eq!(started.elapsed().as_secs(), 5);
            outcome
        },
    );
    assert!(second.is_ok());
    let refusal = third.unwrap_err();
    assert_eq!(refusal.to_string(), "\"joe\" has 1 tunnels already");
}

#[tokio::test(start_paused = true)]
async fn requests_have_a_rate_and_a_burst() {
    let rate = NonZeroU32::new(10).unwrap();
    let requests = RequestRate::per_second(rate, key::user);
    let ask = |user: &str| admitted(&requests, user).is_some();
    assert_eq!((0..20).filter(|_| ask("joe")).count(), 10);
    assert!(ask("jane"));
    advance(Duration::from_millis(99)).await;
    assert!(!ask("joe"));
    advance(Duration::from_millis(1)).await;
    assert!(ask("joe"));
    assert!(!ask("joe"));
    advance(Duration::from_secs(10)).await;
    assert_eq!((0..20).filter(|_| ask("joe")).count(), 10);
    let none = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    assert!((0..100).all(|_| matches!(requests.admit(&none), Admission::Permit(()))));
}

#[tokio::test(start_paused = true)]
async fn requests_may_wait_for_their_turn() {
    let rate = NonZeroU32::new(2).unwrap();
    let requests = RequestRate::per_second(rate, key::user).wait(Duration::from_secs(1));
    let started = Instant::now();
    let mut admitted = 0;
    let mut later = Vec::new();
    for _ in 0..10 {
        match requests.admit(&request("joe")) {
            Admission::Permit(()) => admitted += 1,
            Admission::Later(waiting) => later.push(waiting),
            Admission::Refused(_) => panic!("before it had waited"),
        }
    }
    assert_eq!(admitted, 2);
    let outcomes = futures_util::future::join_all(later).await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 2);
    assert!(started.elapsed() <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_fill_the_memory() {
    let requests = RequestRate::per_second(NonZeroU32::MIN, key::user);
    for n in 0..100_000 {
        let _ = requests.admit(&request(&n.to_string()));
        if n % 100 == 0 {
            advance(Duration::from_secs(2)).await;
        }
    }
    let debug = format!("{requests:?}");
    let keys: usize = debug
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|it| it.parse().ok())
        .unwrap();
    assert!(keys < 10_000, "{debug}");
}

/// The rate is exact where many ask at once: never more than what has passed allows.
#[test]
fn many_tasks_get_no_more_than_there_is() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let tunnels = ConcurrentTunnels::new(7, key::user);
    let (live, peak, refused) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    runtime.block_on(async {
        let tasks = (0..64).map(|_| {
            let (tunnels, live, peak, refused) =
                (tunnels.clone(), live.clone(), peak.clone(), refused.clone());
            tokio::spawn(async move {
                for _ in 0..500 {
                    match admitted(&tunnels, "joe") {
                        Some(permit) => {
                            let now = live.fetch_add(1, Ordering::SeqCst) + 1;
                            peak.fetch_max(now, Ordering::SeqCst);
                            tokio::task::yield_now().await;
                            live.fetch_sub(1, Ordering::SeqCst);
                            drop(permit);
                        }
                        None => {
                            refused.fetch_add(1, Ordering::SeqCst);
                            tokio::task::yield_now().await;
                        }
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    assert!((1..=7).contains(&peak.load(Ordering::SeqCst)), "{peak:?}");
    assert_eq!(tunnels.keys(), 0);
}

proptest! {
    /// Against a model that counts: who is in, and who is let in.
    #[test]
    fn tunnels_agree_with_a_model(most in 0_usize..4, steps in prop::collection::vec((0_u8..3, any::<bool>()), 0..200)) {
        let tunnels = ConcurrentTunnels::new(most, key::user);
        let mut held: HashMap<u8, Vec<_>> = HashMap::new();
        for (user, enters) in steps {
            let name = user.to_string();
            let mine = held.entry(user).or_default();
            if enters {
                let permit = admitted(&tunnels, &name);
                prop_assert_eq!(permit.is_some(), mine.len() < most);
                mine.extend(permit);
            } else {
                mine.pop();
            }
            prop_assert_eq!(tunnels.live(&name.as_str().into()), mine.len());
        }
        prop_assert_eq!(tunnels.keys(), held.values().filter(|mine| !mine.is_empty()).count());
        held.clear();
        prop_assert_eq!(tunnels.keys(), 0);
    }
}

/// A connector that fails, or succeeds with a stream that stays open.
fn connector(
    works: bool,
) -> impl Service<Request, Response = Connected<tokio::io::DuplexStream>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(move |_: Request| async move {
        match works {
            true => Ok(Connected::new(
                tokio::io::duplex(64).0,
                Address::UNSPECIFIED,
            )),
            false => Err("no".into()),
        }
    })
}

#[tokio::test]
async fn a_permit_is_free_again_when_the_dial_fails_is_dropped_or_the_tunnel_is() {
    let tunnels = ConcurrentTunnels::new(1, key::user);
    let layer = LimitLayer::new(tunnels.clone());
    let live = || tunnels.live(&"joe".into());

    layer
        .layer(connector(false))
        .oneshot(request("joe"))
        .await
        .err()
        .unwrap();
    assert_eq!(live(), 0);

    let never = service_fn(|_: Request| {
        std::future::pending::<Result<Connected<tokio::io::DuplexStream>, Infallible>>()
    });
    let dial = layer.layer(never).oneshot(request("joe"));
    let dial = timeout(Duration::from_millis(5), dial);
    assert!(dial.await.is_err());
    assert_eq!(live(), 0);

    let tunnel = layer
        .layer(connector(true))
        .oneshot(request("joe"))
        .await
        .unwrap();
    assert_eq!(live(), 1);
    let error = layer
        .layer(connector(true))
        .oneshot(request("joe"))
        .await
        .err()
        .unwrap();
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
    assert_eq!(error.to_string(), "\"joe\" has 1 tunnels already");
    drop(tunnel);
    assert_eq!(live(), 0);
}

#[tokio::test]
async fn the_code_is_a_choice() {
    let none = ConcurrentTunnels::new(0, key::global).reply_code(ReplyCode::GENERAL_FAILURE);
    let service = LimitLayer::new(none).layer(connector(true));
    let error = service.oneshot(request("joe")).await.err().unwrap();
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
}

#[tokio::test]
async fn the_permit_is_held_until_the_session_ends() {
    let tunnels = ConcurrentTunnels::new(1, key::global);
    let (service, mut incoming) = targets();
    let stack = stack(NoAuth, LimitLayer::new(tunnels.clone()).layer(service));
    let first = Client::new(stack.clone()).connected().await;
    let target = incoming.recv().await.unwrap();
    assert_eq!(tunnels.live(&key::Global), 1);
    let refused = crate::support::exchange(
        stack,
        &[crate::support::HELLO, crate::support::CONNECT].concat(),
    )
    .await;
    assert_eq!(refused[2..], crate::support::failure(2));
    drop(target);
    first.lingering_close().await.unwrap();
    assert_eq!(tunnels.live(&key::Global), 0);
}
