//! Failed logins are slowed down, and connections in the handshake are bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::{TcpListener, TcpStream},
    time::{Instant, advance, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Connector, Credentials, HandshakeLayer, Identity, NoAuth, SessionError,
    Traffic, UserPass, Users,
    error::{AuthError, Fault, Step},
    io::ClientStream,
    layer::{auth::Authenticate, limit::FailedLoginsLayer},
    proto::Method,
    serve,
    session::{Accepted, Negotiation},
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK, Script, stack, targets::targets, texts, within,
};

const GREETING: &[u8] = b"\x05\x01\x02";
const WRONG: &[u8] = b"\x01\x03joe\x05wrong";

trait Server:
    Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Server for S where
    S: Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static
{
}

fn server() -> impl Server {
    let users: Users = [("joe", "secret"), ("evil", "own")].into_iter().collect();
    guarded(FailedLoginsLayer::new(), users)
}

fn guarded<V>(layer: FailedLoginsLayer, verifier: V) -> impl Server
where
    V: Service<Credentials, Response = Identity, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let auth = AuthLayer::new(UserPass::new(verifier)).layer(targets().0);
    HandshakeLayer::new().layer(layer.layer(auth))
}

/// Takes 20 ms for each, and counts how many it looks at. The right password is the name.
fn counting(
    looked: &Arc<AtomicUsize>,
) -> impl Service<Credentials, Response = Identity, Error = AuthError, Future = impl Send + use<>>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    let looked = looked.clone();
    service_fn(move |credentials: Credentials| {
        looked.fetch_add(1, Relaxed);
        async move {
            sleep(Duration::from_millis(20)).await;
            match credentials.password().as_bytes() == credentials.name() {
                true => Ok(Identity::named(credentials.name())),
                false => Err(AuthError::Denied),
            }
        }
    })
}

fn login(name: &str, password: &str) -> Vec<u8> {
    let mut said = vec![1, name.len() as u8];
    said.extend(name.as_bytes());
    said.push(password.len() as u8);
    said.extend(password.as_bytes());
    said
}

/// One attempt from an address: whether it was let in, and the session's error.
async fn attempt(server: impl Server, from: &str, password: &[u8]) -> (Option<bool>, SessionError) {
    let (mut client, near) = tokio::io::duplex(1024);
    let accepted = Accepted::new(
        near,
        from.parse().unwrap(),
        "127.0.0.1:1080".parse().unwrap(),
    );
    let session = tokio::spawn(server.oneshot(accepted));
    client.say(&[GREETING, password].concat()).await;
    let mut heard = [0; 4];
    let answer = match client.read_exact(&mut heard).await {
        Ok(_) => Some(heard == [5, 2, 1, 0]),
        Err(_) => None,
    };
    drop(client);
    let error = session.await.unwrap().unwrap_err();
    (answer, *error.downcast().unwrap())
}

/// The same, of which only the answer counts, and how long it took.
async fn timed(server: impl Server, from: &str, name: &str, password: &str) -> (bool, Duration) {
    let started = Instant::now();
    let (answer, _) = attempt(server, from, &login(name, password)).await;
    (answer == Some(true), started.elapsed())
}

/// So many clients, who each guess on and on for a time. Returns how many guesses were looked at, a second.
async fn guesses_a_second(clients: usize, each: impl Fn(usize, usize) -> (String, String)) -> f64 {
    let looked = Arc::new(AtomicUsize::new(0));
    let server = guarded(FailedLoginsLayer::new(), counting(&looked));
    let started = Instant::now();
    let span = Duration::from_secs(20);
    let guessing = (0..clients).map(|client| {
        let (server, each) = (server.clone(), &each);
        async move {
            for n in 0.. {
                if started.elapsed() >= span {
                    break;
                }
                let (from, name) = each(client, n);
                let (right, _) = timed(server.clone(), &from, &name, "wrong").await;
                assert!(!right);
                // One that is refused comes again soon.
                sleep(Duration::from_millis(200)).await;
            }
        }
    });
    futures_util::future::join_all(guessing).await;
    looked.load(Relaxed) as f64 / span.as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn failures_cost_ever_more_time_and_a_right_password_gets_in() {
    let server = server();
    let from = "203.0.113.5:1";
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(attempt(server.clone(), from, WRONG).await.0, Some(false));
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    // The fourth is free of waiting still, and from then on there is a pause before each.
    let mut waited = Vec::new();
    for _ in 0..6 {
        let started = Instant::now();
        let (answer, error) = attempt(server.clone(), from, WRONG).await;
        assert_eq!(answer, Some(false));
        assert!(texts(&error).contains("wrong name or password"));
        waited.push(started.elapsed().as_secs());
    }
    assert_eq!(waited, [0, 1, 2, 4, 4, 4]);

    // Somebody elsewhere is not concerned.
    let other = "198.51.100.6:1";
    assert_eq!(
        timed(server.clone(), other, "evil", "own").await,
        (true, Duration::ZERO)
    );

    // A right password gets in within the deadline, and is known from then on.
    let (right, took) = timed(server.clone(), from, "joe", "secret").await;
    assert!(right);
    assert_eq!(took.as_secs(), 4);
    assert_eq!(
        timed(server.clone(), from, "joe", "secret").await,
        (true, Duration::ZERO)
    );
    // Others are not, since the success of one is no excuse for the guesses of another.
    assert_eq!(
        timed(server.clone(), from, "jane", "x").await.1.as_secs(),
        4
    );
}

/// One wrong password after the other from an office or a balancer: as they come, or ten at once.
#[tokio::test(start_paused = true)]
async fn everybody_behind_an_address_gets_in_while_one_guesses() {
    type Guess = fn(usize) -> String;
    let guesses: [Guess; 3] = [
        |_| "user0".to_owned(),
        |_| "nobody".to_owned(),
        |n| format!("nobody{n}"),
    ];
    for (guess, at_once) in guesses.into_iter().flat_map(|it| [(it, 1), (it, 10)]) {
        let looked = Arc::new(AtomicUsize::new(0));
        let server = guarded(FailedLoginsLayer::new(), counting(&looked));
        let attacker = {
            let server = server.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let server = server.clone();
                    tokio::spawn(async move {
                        timed(server.clone(), "203.0.113.5:1", &guess(n), "wrong").await
                    });
                    if n % at_once == at_once - 1 {
                        sleep(Duration::from_millis(200 * at_once as u64)).await;
                    }
                }
            })
        };
        sleep(Duration::from_secs(20)).await;
        let mut logins = Vec::new();
        for n in 0..40 {
            let server = server.clone();
            logins.push(tokio::spawn(async move {
                let name = format!("user{}", n % 8);
                timed(server.clone(), "203.0.113.5:2", &name, &name).await
            }));
            sleep(Duration::from_secs(1)).await;
        }
        let logins = futures_util::future::join_all(logins).await;
        attacker.abort();
        for (n, login) in logins.into_iter().enumerate() {
            let (right, took) = login.unwrap();
            assert!(right, "{n} of {at_once}, {}", guess(n));
            assert!(took < Duration::from_secs(9), "{n}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_wrong_passwords_at_once_keep_nobody_out() {
    let server = server();
    let wrong = (0..10).map(|_| timed(server.clone(), "203.0.113.5:1", "joe", "wrong"));
    futures_util::future::join_all(wrong).await;
    for _ in 0..45 {
        let (right, took) = timed(server.clone(), "203.0.113.5:2", "joe", "secret").await;
        assert!(right);
        assert!(took <= Duration::from_secs(4));
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn guesses_in_parallel_are_not_free() {
    let looked = Arc::new(AtomicUsize::new(0));
    let server = guarded(FailedLoginsLayer::new(), counting(&looked));
    let started = Instant::now();
    let guesses = (0..256).map(|n| {
        let server = server.clone();
        async move {
            attempt(
                server.clone(),
                &format!("203.0.113.5:{}", n + 1),
                &login("joe", "wrong"),
            )
            .await
        }
    });
    let outcomes = futures_util::future::join_all(guesses).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    // Four that are free, and then those that wait for four seconds, 32 at once.
    let looked = looked.load(Relaxed);
    assert!((36..=68).contains(&looked), "{looked}");
    // All others hear a failure, which is nobody's wrong password.
    let mut refused = 0;
    for (answer, error) in outcomes {
        assert_eq!(answer, Some(false));
        assert_eq!(error.step(), Step::Authentication);
        assert_eq!(error.fault(), Fault::Refused);
        let text = texts(&error);
        refused += usize::from(text.contains("too many failed logins from 203.0.113.5, or"));
    }
    assert_eq!(refused, 256 - looked);
}

#[tokio::test(start_paused = true)]
async fn guessing_is_slow_from_a_host_a_site_and_at_a_name() {
    let one = |_| "203.0.113.5:1".to_owned();
    let site = |n: usize| format!("[2001:db8:0:{n:x}::1]:1");
    // At one name, at many, and at a new one each time.
    let rate = guesses_a_second(100, |client, _| (one(client), "joe".to_owned())).await;
    assert!((4.0..9.0).contains(&rate), "{rate}");
    let rate = guesses_a_second(100, |client, n| (one(client), format!("joe{client}-{n}"))).await;
    assert!((8.0..18.0).contains(&rate), "{rate}");
    let rate = guesses_a_second(300, |client, n| {
        (site(client * 100 + n % 100), "joe".to_owned())
    })
    .await;
    assert!((4.0..9.0).contains(&rate), "{rate}");
    let rate = guesses_a_second(300, |client, n| {
        (site(client * 100 + n % 100), format!("joe{client}-{n}"))
    })
    .await;
    assert!((32.0..70.0).contains(&rate), "{rate}");
}

/// An account of one's own buys no guesses at others.
#[tokio::test(start_paused = true)]
async fn a_success_clears_no_failures() {
    let looked = Arc::new(AtomicUsize::new(0));
    let server = guarded(FailedLoginsLayer::new(), counting(&looked));
    let started = Instant::now();
    let mut guesses = 0;
    while started.elapsed() < Duration::from_secs(60) {
        assert!(
            timed(server.clone(), "203.0.113.5:1", "evil", "evil")
                .await
                .0
        );
        timed(server.clone(), "203.0.113.5:1", "joe", "wrong").await;
        guesses += 1;
    }
    assert!(guesses <= 4 + 2 + 60 / 4, "{guesses}");
}

/// All of an office come back at once, after a restart.
#[tokio::test(start_paused = true)]
async fn a_thousand_users_of_one_address_get_in_at_once() {
    let looked = Arc::new(AtomicUsize::new(0));
    let server = guarded(FailedLoginsLayer::new(), counting(&looked));
    let logins = (0..1000).map(|n| {
        let (server, name) = (server.clone(), format!("user{n}"));
        async move { timed(server.clone(), "203.0.113.5:1", &name, &name).await }
    });
    for (right, took) in futures_util::future::join_all(logins).await {
        assert!(right);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    // And one of them with all connections of a browser.
    let logins = (0..50).map(|_| timed(server.clone(), "203.0.113.5:1", "user1", "user1"));
    for (right, took) in futures_util::future::join_all(logins).await {
        assert!(right);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

/// From everywhere at once: the name waits, and is not kept out.
#[tokio::test(start_paused = true)]
async fn a_name_that_all_the_world_guesses_gets_in() {
    let looked = Arc::new(AtomicUsize::new(0));
    let server = guarded(FailedLoginsLayer::new(), counting(&looked));
    assert!(timed(server.clone(), "192.0.2.1:1", "joe", "joe").await.0);
    for _ in 0..2 {
        let guesses = (0..500).map(|n| {
            let from = format!("10.{}.{}.1:1", n / 250, n % 250);
            let server = server.clone();
            async move { timed(server.clone(), &from, "joe", "wrong").await }
        });
        futures_util::future::join_all(guesses).await;
    }
    let (right, took) = timed(server.clone(), "203.0.113.5:1", "joe", "joe").await;
    assert!(right);
    assert!((1..5).contains(&took.as_secs()), "{took:?}");
    // Where it was known before, it does not wait.
    let (right, took) = timed(server.clone(), "192.0.2.1:1", "joe", "joe").await;
    assert!(right && took.as_secs() == 0, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_that_are_dropped_or_unclear_are_no_failures() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let server = guarded(
        FailedLoginsLayer::new(),
        service_fn(move |credentials: Credentials| {
            let call = seen.fetch_add(1, Relaxed);
            async move {
                match call {
                    0..4 => std::future::pending().await,
                    4..40 => Err(BoxError::from("the database is away")),
                    _ => Ok(Identity::named(credentials.name())),
                }
            }
        }),
    );
    let hanging: Vec<_> = (0..4)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { timed(server.clone(), "203.0.113.5:1", "joe", "x").await })
        })
        .collect();
    sleep(Duration::from_millis(1)).await;
    // One more waits for their verdict, and begins when the handshake's deadline has dropped them.
    let started = Instant::now();
    let waits = timed(server.clone(), "203.0.113.5:1", "joe", "x").await;
    assert!(!waits.0);
    assert!(started.elapsed() <= Duration::from_secs(10));
    for task in hanging {
        assert!(!task.await.unwrap().0);
    }
    while calls.load(Relaxed) < 40 {
        assert_eq!(
            timed(server.clone(), "203.0.113.5:1", "joe", "x").await,
            (false, Duration::ZERO)
        );
    }
    assert_eq!(
        timed(server.clone(), "203.0.113.5:1", "joe", "x").await,
        (true, Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_host_has_one_network_to_fail_from() {
    let server = server();
    for n in 0..8 {
        attempt(
            server.clone(),
            &format!("[2001:db8:1:2::{n}]:1"),
            &login(&format!("a{n}"), "x"),
        )
        .await;
    }
    let host = timed(server.clone(), "[2001:db8:1:2:ffff::1]:1", "joe", "secret").await;
    assert_eq!((host.0, host.1.as_secs()), (true, 4));
    let neighbour = timed(server.clone(), "[2001:db8:1:3::1]:1", "joe", "secret").await;
    assert_eq!(neighbour, (true, Duration::ZERO));
}

#[cfg(feature = "remember")]
#[tokio::test(start_paused = true)]
async fn a_remembered_refusal_is_a_failed_login() {
    let looked = Arc::new(AtomicUsize::new(0));
    let remembered = tower_socks::layer::auth::remember::RememberLayer::new().unwrap();
    let verifier = remembered
        .wrong_for(Duration::from_secs(3600))
        .layer(counting(&looked));
    let server = guarded(FailedLoginsLayer::new(), verifier);
    for failures in 0..10 {
        let (right, took) = timed(server.clone(), "203.0.113.5:1", "joe", "wrong").await;
        assert!(!right);
        assert_eq!(took > Duration::from_millis(20), failures > 3, "{took:?}");
    }
    assert_eq!(looked.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten() {
    let server = server();
    for _ in 0..20 {
        attempt(server.clone(), "203.0.113.5:1", WRONG).await;
    }
    assert_eq!(
        timed(server.clone(), "203.0.113.5:1", "jane", "x")
            .await
            .1
            .as_secs(),
        4
    );
    advance(Duration::from_secs(15 * 60)).await;
    let started = Instant::now();
    for _ in 0..4 {
        assert_eq!(
            attempt(server.clone(), "203.0.113.5:1", WRONG).await.0,
            Some(false)
        );
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_bounds_can_be_set() {
    let layer = FailedLoginsLayer::new()
        .free_failures(0)
        .longest_delay(Duration::from_secs(2))
        .at_once_per_client(3)
        .at_once_per_site(5)
        .at_once_per_name(2);
    let looked = Arc::new(AtomicUsize::new(0));
    let server = guarded(layer, counting(&looked));
    let failed =
        async |n: usize, from: &dyn Fn(usize) -> String, name: &dyn Fn(usize) -> String| {
            let before = looked.load(Relaxed);
            let started = Instant::now();
            let guesses = (0..n).map(|n| {
                let (server, from, name) = (server.clone(), from(n), name(n));
                async move { timed(server.clone(), &from, &name, "wrong").await }
            });
            futures_util::future::join_all(guesses).await;
            (looked.load(Relaxed) - before, started.elapsed().as_secs())
        };
    let (host, names) = (|_| "203.0.113.5:1".to_owned(), |n| format!("a{n}"));
    assert_eq!(failed(1, &host, &|_| "joe".to_owned()).await, (1, 0));
    assert_eq!(failed(20, &host, &|_| "joe".to_owned()).await, (2, 2));
    assert_eq!(failed(20, &host, &names).await, (3, 2));
    for round in 0..12 {
        let site = |n| format!("203.0.113.{}:1", 10 + 20 * round + n);
        failed(1, &site, &|_| format!("b{round}")).await;
    }
    let site = |n| format!("203.0.113.{}:1", 200 + n);
    assert_eq!(failed(20, &site, &|n| format!("c{n}")).await.0, 5);
}

/// A method without names is counted by its clients alone.
#[tokio::test(start_paused = true)]
async fn a_method_without_names_is_slowed_down() {
    struct Token;

    impl<Io: ClientStream> Authenticate<Io> for Token {
        type Stream = Io;

        fn select(&self, _: &Negotiation<Io>) -> Option<Method> {
            Some(Method(0x80))
        }

        async fn authenticate(
            &self,
            _: Method,
            _: Negotiation<Io>,
        ) -> Result<(Io, Identity), BoxError> {
            Err(AuthError::Denied.into())
        }
    }

    let auth = AuthLayer::new(Token).layer(targets().0);
    let server = HandshakeLayer::new().layer(FailedLoginsLayer::new().layer(auth));
    let mut waited = Vec::new();
    for _ in 0..8 {
        let started = Instant::now();
        let (client, near) = tokio::io::duplex(1024);
        let peer = "203.0.113.5:1".parse().unwrap();
        let session = tokio::spawn(server.clone().oneshot(Accepted::new(near, peer, peer)));
        let mut client = client;
        client.say(b"\x05\x01\x80").await;
        client.hear_rest().await;
        drop(client);
        assert!(session.await.unwrap().is_err());
        waited.push(started.elapsed().as_secs());
    }
    assert_eq!(waited, [0, 0, 0, 0, 1, 2, 4, 4]);
}

/// Tickets that are refused count as passwords do, and clients with a right one wait as well.
#[tokio::test(start_paused = true)]
async fn tickets_that_are_refused_slow_a_client_down() {
    use crate::support::gssapi::{Mock, TICKET, framed};
    use tower_socks::layer::auth::Gssapi;

    let auth = AuthLayer::new(Gssapi::new(Mock::default())).layer(targets().0);
    let server = HandshakeLayer::new().layer(FailedLoginsLayer::new().layer(auth));
    let try_out = async |token: &[u8]| {
        let started = Instant::now();
        let mut client = crate::support::Client::new(server.clone());
        client.io.say(b"\x05\x01\x01").await;
        client.io.hear(b"\x05\x01").await;
        client.io.say(&framed(1, token)).await;
        let mut kind = [0; 2];
        tokio::io::AsyncReadExt::read_exact(&mut client.io, &mut kind)
            .await
            .unwrap();
        let waited = started.elapsed().as_secs();
        let _ = client.lingering_close().await;
        (kind, waited)
    };
    let mut waited = Vec::new();
    for _ in 0..6 {
        let (kind, seconds) = try_out(b"expired").await;
        assert_eq!(kind, [1, 0xff]);
        waited.push(seconds);
    }
    assert_eq!(waited, [0, 0, 0, 0, 1, 2]);
    assert_eq!(try_out(TICKET).await, ([1, 1], 4));
    // Keys that are missing are nobody's failure.
    let other = AuthLayer::new(Gssapi::new(Mock::default())).layer(targets().0);
    let other = HandshakeLayer::new().layer(FailedLoginsLayer::new().layer(other));
    for _ in 0..8 {
        let started = Instant::now();
        let mut client = crate::support::Client::new(other.clone());
        client
            .io
            .say(&[b"\x05\x01\x01", &framed(1, b"keytab")[..]].concat())
            .await;
        client.io.hear(b"\x05\x01\x01\xff").await;
        assert_eq!(started.elapsed().as_secs(), 0);
        let _ = client.lingering_close().await;
    }
}

/// What is no login is no failed one: probes, scanners and browsers do it.
#[tokio::test(start_paused = true)]
async fn a_greeting_without_an_acceptable_method_is_no_failure() {
    let server = server();
    for _ in 0..20 {
        let mut client = crate::support::Client::new(server.clone());
        client.io.say(b"\x05\x01\x00").await;
        client.io.hear(b"\x05\xff").await;
        assert!(client.lingering_close().await.is_err());
    }
    assert_eq!(
        timed(server.clone(), crate::support::PEER, "joe", "secret").await,
        (true, Duration::ZERO)
    );
}

/// Connections that say nothing, and one that has authenticated.
#[tokio::test]
async fn connections_in_the_handshake_are_bounded_for_each_client() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (service, mut incoming) = targets();
        let server = serve(listener, stack(NoAuth, service)).unauthenticated_per_client(2);
        tokio::spawn(server.into_future());
        let open = async || TcpStream::connect(address).await.unwrap();

        // Those that are in a tunnel do not count.
        let mut tunnels = Vec::new();
        for _ in 0..5 {
            let mut client = open().await;
            client.say(HELLO).await;
            client.hear(HELLO_OK).await;
            client.say(CONNECT).await;
            client.hear(CONNECTED).await;
            tunnels.push((client, incoming.recv().await));
        }
        // Two may take their time, and one more is closed.
        let mut first = open().await;
        first.say(&HELLO[..1]).await;
        let _second = open().await;
        let mut third = open().await;
        third.hear_end().await;
        // Another address is not concerned.
        let other = tokio::net::TcpSocket::new_v4().unwrap();
        other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = other.connect(address).await.unwrap();
        other.say(HELLO).await;
        other.hear(HELLO_OK).await;
        // Room again once one of them is in.
        first.say(&HELLO[1..]).await;
        first.hear(HELLO_OK).await;
        loop {
            let mut fourth = open().await;
            fourth.say(HELLO).await;
            let mut heard = [0; 2];
            if fourth.read_exact(&mut heard).await.is_ok() {
                assert_eq!(heard, HELLO_OK);
                break;
            }
        }
    })
    .await;
}

#[test]
fn a_connector_is_no_place_for_it() {
    // Above the handshake there is nothing to negotiate: it does not compile. Below it, it does.
    let _ = HandshakeLayer::new()
        .layer(FailedLoginsLayer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct())));
}
