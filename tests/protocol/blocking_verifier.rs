//! Verifiers that block their thread: turns are the threads', the queue is bounded and fair.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
};

use tokio::time::{Duration, sleep};
use tower::{BoxError, ServiceExt};
use tower_socks::{
    Credentials, Identity, Refusal, UserPass,
    error::{AuthError, Fault},
    layer::auth::BlockingVerifier,
};

use crate::support::{Client, Script, stack, targets::targets, within};

/// A verifier whose calls last until they are let go, and what is known of them.
struct Gate {
    verifier: BlockingVerifier,
    go: mpsc::Sender<()>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    order: Arc<Mutex<Vec<String>>>,
}

fn gate() -> Gate {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (now, peak, names) = (running.clone(), most.clone(), order.clone());
    let verifier = BlockingVerifier::new(move |credentials| {
        let at_once = now.fetch_add(1, SeqCst) + 1;
        peak.fetch_max(at_once, SeqCst);
        let name = String::from_utf8(credentials.name().to_vec()).unwrap();
        let ip = credentials.peer().ip();
        names.lock().unwrap().push(format!("{name}@{ip}"));
        gone.lock().unwrap().recv().unwrap();
        now.fetch_sub(1, SeqCst);
        match credentials.password().as_bytes() {
            b"secret" => Ok(Identity::named(name)),
            _ => Err(AuthError::Denied),
        }
    });
    Gate {
        verifier,
        go,
        running,
        most,
        order,
    }
}

fn credentials(name: &str, password: &str, ip: &str) -> Credentials {
    let peer = SocketAddr::new(ip.parse().unwrap(), 50_000);
    Credentials::new(name, password).unwrap().with_peer(peer)
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| (*error).source())
        .find_map(|error| error.downcast_ref())
}

/// Threads run in a time of their own.
async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn is_refused(verified: Result<Identity, BoxError>) -> bool {
    let error = verified.unwrap_err();
    find::<Refusal>(&*error).and_then(Refusal::rule) == Some("limit verifications")
}

#[tokio::test]
async fn futures_that_are_dropped_give_no_turn_back() {
    let gate = gate();
    let verifier = gate.verifier.clone().turns(2);
    for _ in 0..50 {
        let wave: Vec<_> = (0..20)
            .map(|_| tokio::spawn(verifier.clone().oneshot(credentials("a", "x", "192.0.2.1"))))
            .collect();
        until(|| gate.running.load(SeqCst) == 2).await;
        wave.iter().for_each(|task| task.abort());
        for task in wave {
            _ = task.await;
        }
    }
    assert_eq!(gate.order.lock().unwrap().len(), 2);
    // The threads end, and the turns are there again.
    let right = tokio::spawn(verifier.oneshot(credentials("joe", "secret", "192.0.2.2")));
    for _ in 0..3 {
        gate.go.send(()).unwrap();
    }
    assert!(within(right).await.unwrap().is_ok());
    assert_eq!(gate.most.load(SeqCst), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let gate = gate();
    let verifier = gate.verifier.clone().turns(1).queue(3);
    let log_in = |n: usize| {
        let name = format!("user{n}");
        tokio::spawn(
            verifier
                .clone()
                .oneshot(credentials(&name, "secret", "192.0.2.1")),
        )
    };
    let first = log_in(0);
    until(|| gate.running.load(SeqCst) == 1).await;
    let waiting: Vec<_> = (1..4).map(log_in).collect();
    tokio::task::yield_now().await;
    assert!(is_refused(within(log_in(4)).await.unwrap()));

    // One that is dropped makes room.
    waiting[1].abort();
    sleep(Duration::from_millis(1)).await;
    let last = log_in(5);
    for _ in 0..4 {
        gate.go.send(()).unwrap();
    }
    assert!(within(first).await.unwrap().is_ok());
    assert!(within(last).await.unwrap().is_ok());
    let order = gate.order.lock().unwrap();
    let names = ["user0", "user1", "user3", "user5"];
    assert_eq!(*order, names.map(|name| format!("{name}@192.0.2.1")));
}

#[tokio::test(start_paused = true)]
async fn what_has_waited_for_too_long_is_refused() {
    let gate = gate();
    let patience = Duration::from_secs(3);
    let verifier = gate.verifier.clone().turns(1).patience(patience);
    let log_in = || {
        let joe = credentials("joe", "secret", "192.0.2.1");
        tokio::spawn(verifier.clone().oneshot(joe))
    };
    let first = log_in();
    // A paused clock stands still while a thread is busy.
    while gate.running.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let late = log_in();
    tokio::task::yield_now().await;
    tokio::time::advance(patience).await;
    let waits = log_in();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_millis(1)).await;
    for _ in 0..2 {
        gate.go.send(()).unwrap();
    }
    assert!(first.await.unwrap().is_ok());
    assert!(is_refused(late.await.unwrap()));
    assert!(waits.await.unwrap().is_ok());
}

/// A client, or a /48 of clients, fills the queue. Others are served next, and take its places.
#[tokio::test]
async fn a_flood_waits_behind_those_who_do_not_flood() {
    for flood in [
        |_: usize| "203.0.113.5".to_owned(),
        |n: usize| format!("203.0.113.{n}"),
        |n: usize| format!("2001:db8:0:{n:x}::1"),
    ] {
        let gate = gate();
        let verifier = gate.verifier.clone().turns(1).queue(100);
        let log_in = |name: String, ip: String| {
            tokio::spawn(verifier.clone().oneshot(credentials(&name, "secret", &ip)))
        };
        let mut flooding = vec![log_in("evil0".into(), flood(0))];
        until(|| gate.running.load(SeqCst) == 1).await;
        flooding.extend((1..101).map(|n| log_in(format!("evil{n}"), flood(n))));
        tokio::task::yield_now().await;
        let good: Vec<_> = (0..10)
            .map(|n| log_in("good".into(), format!("198.51.{n}.1")))
            .collect();
        tokio::task::yield_now().await;
        for _ in 0..102 {
            gate.go.send(()).unwrap();
        }
        for good in good {
            assert!(within(good).await.unwrap().is_ok());
        }
        let order = gate.order.lock().unwrap().clone();
        let last = order.iter().rposition(|it| it.starts_with("good")).unwrap();
        assert!(last <= 24, "{order:?}");
        // The flood has lost as many places as were needed.
        let mut refused = 0;
        for task in flooding {
            refused += usize::from(within(task).await.unwrap().is_err());
        }
        assert_eq!(refused, 10);
    }
}

/// Behind one address: the password of one name is guessed, and others log in.
#[tokio::test]
async fn a_name_has_a_share_of_its_client() {
    let gate = gate();
    let verifier = gate.verifier.clone().turns(1).queue(20);
    let log_in = |name: &str| {
        tokio::spawn(
            verifier
                .clone()
                .oneshot(credentials(name, "secret", "192.0.2.1")),
        )
    };
    let first = log_in("guessed");
    until(|| gate.running.load(SeqCst) == 1).await;
    let mut guesses: Vec<_> = (0..20).map(|_| log_in("guessed")).collect();
    tokio::task::yield_now().await;
    let joe = log_in("joe");
    tokio::task::yield_now().await;
    for _ in 0..21 {
        gate.go.send(()).unwrap();
    }
    assert!(within(joe).await.unwrap().is_ok());
    assert!(within(first).await.unwrap().is_ok());
    let order = gate.order.lock().unwrap().clone();
    let joe = order.iter().position(|it| it.starts_with("joe")).unwrap();
    assert!(joe <= 2, "{order:?}");
    assert!(is_refused(within(guesses.pop().unwrap()).await.unwrap()));
}

#[tokio::test]
async fn memory_is_a_turns_and_freed_when_nothing_waits() {
    struct Memory(Arc<AtomicUsize>);
    impl Drop for Memory {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let (live, most, made) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let counts = (live.clone(), most.clone(), made.clone());
    let verifier = BlockingVerifier::with_memory(
        move || {
            counts.2.fetch_add(1, SeqCst);
            counts
                .1
                .fetch_max(counts.0.fetch_add(1, SeqCst) + 1, SeqCst);
            Memory(counts.0.clone())
        },
        |_, credentials| {
            std::thread::sleep(Duration::from_micros(100));
            Ok(Identity::named(credentials.name()))
        },
    )
    .turns(3)
    .queue(1000);
    let all = (0..1000).map(|n| {
        let joe = credentials("joe", "secret", &format!("192.0.2.{}", n % 200));
        verifier.clone().oneshot(joe)
    });
    for verified in within(futures_util::future::join_all(all)).await {
        assert!(verified.is_ok());
    }
    until(|| live.load(SeqCst) == 0).await;
    assert!(most.load(SeqCst) <= 3);
    assert!(made.load(SeqCst) < 500, "{made:?}");
}

#[tokio::test]
async fn a_panic_costs_one_verification() {
    let was = AtomicBool::new(false);
    let verifier = BlockingVerifier::new(move |credentials| {
        if credentials.name() == b"evil" {
            was.store(true, SeqCst);
            panic!("as it is tested");
        }
        Ok(Identity::named(credentials.name()))
    })
    .turns(1);
    for _ in 0..3 {
        let evil = verifier
            .clone()
            .oneshot(credentials("evil", "x", "192.0.2.1"));
        let others = (0..5).map(|n| {
            let name = format!("joe{n}");
            verifier
                .clone()
                .oneshot(credentials(&name, "x", "192.0.2.1"))
        });
        let (evil, others) = within(futures_util::future::join(
            evil,
            futures_util::future::join_all(others),
        ))
        .await;
        let error = evil.unwrap_err();
        assert!(
            matches!(find(&*error), Some(AuthError::Verifier(_))),
            "{error}"
        );
        assert!(others.iter().all(Result::is_ok));
    }
}

/// The client hears a failure, and it is nobody's wrong password, nor an alarm.
#[tokio::test]
async fn the_client_of_a_full_queue_hears_a_failure() {
    let gate = gate();
    let verifier = gate.verifier.clone().turns(1).queue(1);
    let mut others = Vec::new();
    for n in 0..2 {
        let peer = format!("203.0.113.{n}");
        others.push(tokio::spawn(
            verifier.clone().oneshot(credentials("joe", "x", &peer)),
        ));
        until(|| gate.running.load(SeqCst) == 1).await;
    }
    let mut client = Client::new(stack(UserPass::new(verifier), targets().0));
    client.io.say(b"\x05\x01\x02\x01\x03joe\x06secret").await;
    client.io.hear(b"\x05\x02\x01\x01").await;
    let error = client.lingering_close().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Refused);
    assert!(find::<AuthError>(&error).is_none());
    for _ in 0..2 {
        gate.go.send(()).unwrap();
    }
}
