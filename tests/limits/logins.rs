//! Failed logins are slowed down, and connections in the handshake are bounded.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::{TcpListener, TcpStream},
    time::{Instant, advance},
};
use tower::{Layer, Service, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, SessionError, Traffic, UserPass, Users,
    error::{Fault, Step},
    layer::limit::FailedLoginsLayer,
    serve,
    session::Accepted,
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK, Script, stack, targets::targets, within,
};

const GREETING: &[u8] = b"\x05\x01\x02";
const RIGHT: &[u8] = b"\x01\x03joe\x06secret";
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
    let users: Users = [("joe", "secret")].into_iter().collect();
    let auth = AuthLayer::new(UserPass::new(users)).layer(targets().0);
    HandshakeLayer::new().layer(FailedLoginsLayer::new().layer(auth))
}

/// One attempt from an address: whether it was let in, and the session's error.
async fn attempt(
    server: &impl Server,
    from: &str,
    password: &[u8],
) -> (Option<bool>, SessionError) {
    let (mut client, near) = tokio::io::duplex(1024);
    let accepted = Accepted::new(
        near,
        from.parse().unwrap(),
        "127.0.0.1:1080".parse().unwrap(),
    );
    let session = tokio::spawn(server.clone().oneshot(accepted));
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

#[tokio::test(start_paused = true)]
async fn failures_cost_ever_more_time() {
    let server = server();
    let from = "203.0.113.5:1";
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(attempt(&server, from, WRONG).await.0, Some(false));
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    // The fourth is free of waiting still, and from then on there is a pause behind each.
    let mut waited = Vec::new();
    for _ in 0..4 {
        let started = Instant::now();
        assert_eq!(attempt(&server, from, WRONG).await.0, Some(false));
        waited.push(started.elapsed().as_secs());
    }
    assert_eq!(waited, [0, 1, 2, 4]);

    // The next turn is more than 5 s away: closed at once, without a look at the password.
    let started = Instant::now();
    let (answer, error) = attempt(&server, from, RIGHT).await;
    assert_eq!(answer, None);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(
        (error.step(), error.fault()),
        (Step::Authentication, Fault::Refused)
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with("too many failed logins from 203.0.113.5: the next attempt"),
        "{cause}"
    );

    // Somebody else is not concerned.
    assert_eq!(attempt(&server, "203.0.113.6:1", RIGHT).await.0, Some(true));
    assert_eq!(started.elapsed(), Duration::ZERO);

    // Who has waited and knows the password is as good as new.
    advance(Duration::from_secs(8)).await;
    assert_eq!(attempt(&server, from, RIGHT).await.0, Some(true));
    let started = Instant::now();
    assert_eq!(attempt(&server, from, WRONG).await.0, Some(false));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_connections_at_once_do_not_help() {
    let server = server();
    let started = Instant::now();
    let attempts = (0..100).map(|n| {
        let server = server.clone();
        async move {
            attempt(&server, &format!("203.0.113.5:{}", n + 1), WRONG)
                .await
                .0
        }
    });
    // All of them at once get past the first look, since nobody has failed yet.
    futures_util::future::join_all(attempts).await;
    let attempts = (0..100).map(|n| {
        let server = server.clone();
        async move {
            attempt(&server, &format!("203.0.113.5:{}", n + 1), WRONG)
                .await
                .0
        }
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    assert!(outcomes.iter().flatten().count() <= 3, "{outcomes:?}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_host_has_one_network_to_fail_from() {
    let server = server();
    for n in 0..8 {
        attempt(&server, &format!("[2001:db8:1:2::{n}]:1"), WRONG).await;
    }
    assert_eq!(
        attempt(&server, "[2001:db8:1:2:ffff::1]:1", RIGHT).await.0,
        None
    );
    assert_eq!(
        attempt(&server, "[2001:db8:1:3::1]:1", RIGHT).await.0,
        Some(true)
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten() {
    let server = server();
    for _ in 0..8 {
        attempt(&server, "203.0.113.5:1", WRONG).await;
    }
    assert_eq!(attempt(&server, "203.0.113.5:1", RIGHT).await.0, None);
    advance(Duration::from_secs(15 * 60)).await;
    let started = Instant::now();
    assert_eq!(
        attempt(&server, "203.0.113.5:1", WRONG).await.0,
        Some(false)
    );
    assert_eq!(started.elapsed(), Duration::ZERO);
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
