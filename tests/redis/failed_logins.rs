//! Failed logins, over all nodes.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt};
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, Refusal, UserPass, Users,
    layer::limit::{FailedLoginStore, FailedLoginsLayer, LoginHistory, LoginKey},
    proto::ReplyCode,
    redis::{Redis, RedisFailedLogins, WhileAway},
    session::{Accepted, Share},
};

use crate::{server::Server, until};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn store(node: &Redis) -> RedisFailedLogins {
    RedisFailedLogins::new(node, "test", "a secret of the fleet")
}

fn layer(store: RedisFailedLogins) -> FailedLoginsLayer {
    let layer = FailedLoginsLayer::new().with_store(store);
    layer.longest_delay(Duration::from_secs(1))
}

async fn history(store: &RedisFailedLogins, of: &[LoginKey]) -> Result<LoginHistory, Refusal> {
    match store.history(of) {
        Share::Now(history) => Ok(history),
        Share::Later(later) => later.await,
    }
}

/// Logs in at a node, and returns whether that is right and how long it took.
async fn log_in(layer: &FailedLoginsLayer, password: &str) -> (Option<bool>, Duration) {
    let users: Users = [("joe", "secret")].into_iter().collect();
    let auth = AuthLayer::new(UserPass::new(users)).layer(Connector::direct());
    let server = HandshakeLayer::new().layer(layer.clone().layer(auth));
    let (mut client, stream) = tokio::io::duplex(256);
    let started = Instant::now();
    let peer = SocketAddr::new(CLIENT, 1);
    tokio::spawn(server.oneshot(Accepted::new(stream, peer, peer)));
    let len = char::from(u8::try_from(password.len()).unwrap());
    let said = format!("\x05\x01\x02\x01\x03joe{len}{password}");
    client.write_all(said.as_bytes()).await.unwrap();
    let mut answer = [0; 4];
    let answered = client.read_exact(&mut answer).await;
    let right = answered.is_ok().then(|| answer[3] == 0);
    (right, started.elapsed())
}

#[tokio::test]
async fn failures_at_one_node_slow_down_logins_at_the_other() {
    let server = Server::start();
    let stores = [(); 2].map(|()| store(&server.node()));
    let [one, other] = stores.each_ref().map(|store| layer(store.clone()));
    for _ in 0..4 {
        let (right, time) = log_in(&one, "wrong").await;
        assert_eq!(right, Some(false));
        assert!(time < Duration::from_millis(900), "{time:?}");
    }
    let keys = [
        LoginKey::Client(CLIENT),
        LoginKey::Name(stores[1].hash(b"joe")),
    ];
    until("they are told", async || {
        history(&stores[1], &keys).await.unwrap().failures == [4, 4]
    })
    .await;
    let (right, time) = log_in(&other, "secret").await;
    assert_eq!(right, Some(true));
    assert!(time >= Duration::from_secs(1), "{time:?}");
    // Where the name has logged in, no node has it wait for the failures of others any more.
    let known = [LoginKey::Known(CLIENT, stores[0].hash(b"joe"))];
    until("that is told", async || {
        history(&stores[0], &known).await.unwrap().is_known
    })
    .await;
    let (right, time) = log_in(&one, "secret").await;
    assert_eq!(right, Some(true));
    assert!(time < Duration::from_millis(900), "{time:?}");
    // Nothing in Redis has the name, and all of it expires.
    let all = server.cli(&["KEYS", "*"]);
    assert!(!all.contains("joe"), "{all}");
    for key in all.lines().filter(|key| !key.is_empty()) {
        assert_ne!(server.cli(&["PTTL", key]), "-1", "{key}");
    }
}

#[tokio::test]
async fn failures_are_forgiven_one_a_minute_and_bounded() {
    let server = Server::start();
    let store = store(&server.node());
    let key = LoginKey::Client(CLIENT);
    let place = "tower-socks:failed-logins:test:{client:192.0.2.1}";
    for _ in 0..100 {
        store.failed(&[(key, 15)]);
    }
    until("they are told", async || {
        history(&store, &[key]).await.unwrap().failures == [15]
    })
    .await;
    // Redis's clock is what forgives: as if 13 minutes were over.
    server.cli(&["PEXPIRE", place, "119000"]);
    assert_eq!(history(&store, &[key]).await.unwrap().failures, [2]);
    store.failed(&[(key, 15)]);
    until("one more is told", async || {
        history(&store, &[key]).await.unwrap().failures == [3]
    })
    .await;
    server.cli(&["PEXPIRE", place, "1"]);
    until("all are forgiven", async || {
        history(&store, &[key]).await.unwrap().failures == [0]
    })
    .await;
    // Methods that state no names are nobody else's.
    store.failed(&[(LoginKey::Nameless(CLIENT), 15)]);
    assert_eq!(store.dropped(), 0);
}

#[tokio::test]
async fn a_name_is_known_in_the_last_eight_networks() {
    let server = Server::start();
    let store = store(&server.node());
    let name = store.hash(b"joe");
    let networks: Vec<IpAddr> = (0..40).map(|at| [192, 0, 2, at].into()).collect();
    for network in &networks {
        store.succeeded(*network, name);
    }
    let place = format!("tower-socks:logged-in:test:{{{name:016x}}}");
    until("they are told", async || {
        server.cli(&["ZCARD", &place]) == "8"
    })
    .await;
    let left: u64 = server.cli(&["TTL", &place]).parse().unwrap();
    assert!((86_000..=86_400).contains(&left), "{left}");
    // As if a day were over for one of them.
    let seen = server.cli(&["ZRANGE", &place, "0", "0", "WITHSCORES"]);
    let (network, seen) = seen.split_once('\n').unwrap();
    let key = [LoginKey::Known(network.parse().unwrap(), name)];
    assert!(history(&store, &key).await.unwrap().is_known);
    let before = (seen.parse::<u64>().unwrap() - 86_400).to_string();
    server.cli(&["ZADD", &place, &before, network]);
    assert!(!history(&store, &key).await.unwrap().is_known);
}

#[tokio::test]
async fn another_secret_is_another_name() {
    let server = Server::start();
    let node = server.node();
    let [one, same, other] =
        ["a", "a", "b"].map(|secret| RedisFailedLogins::new(&node, "test", secret));
    assert_eq!(one.hash(b"joe"), same.hash(b"joe"));
    assert_ne!(one.hash(b"joe"), other.hash(b"joe"));
    assert_ne!(one.hash(b"joe"), one.hash(b"jane"));
    let debug = format!("{:?}", RedisFailedLogins::new(&node, "test", "very secret"));
    assert!(!debug.contains("very"), "{debug}");
}

#[tokio::test]
async fn logins_go_on_while_redis_is_away_and_are_told_afterwards() {
    let mut server = Server::start();
    let node = server.node();
    let store = store(&node);
    let closed = layer(store.clone().while_away(WhileAway::Closed));
    let local = layer(store.clone());
    assert_eq!(log_in(&local, "secret").await.0, Some(true));
    server.kill();
    for _ in 0..5 {
        let (right, time) = log_in(&local, "secret").await;
        assert_eq!(right, Some(true));
        assert!(time < Duration::from_secs(2), "{time:?}");
    }
    until("it is noticed", async || !node.is_up()).await;
    let keys = [LoginKey::Client(CLIENT)];
    let refusal = history(&store.clone().while_away(WhileAway::Closed), &keys).await;
    assert_eq!(refusal.unwrap_err().code(), ReplyCode::GENERAL_FAILURE);
    assert_eq!(log_in(&closed, "secret").await.0, Some(false));
    // The memory of one process, as without a store.
    for _ in 0..2 {
        assert_eq!(log_in(&local, "wrong").await.0, Some(false));
    }
    // More than there is room for.
    let name = |at: u64| LoginKey::Name(at);
    for at in 0..10_000 {
        store.failed(&[(name(at), 15)]);
    }
    assert!(
        (5_900..6_000).contains(&store.dropped()),
        "{}",
        store.dropped()
    );
    server.restart();
    until("it is back", async || node.is_up()).await;
    until("what there was room for is told, once", async || {
        history(&store, &[name(0), name(4_000), name(9_999)])
            .await
            .unwrap()
            .failures
            == [1, 1, 0]
    })
    .await;
    // The last of several batches may be told a moment later.
    let told = || server.cli(&["DBSIZE"]).parse::<usize>().unwrap();
    until("all that there was room for is told", async || {
        told() >= 4_000
    })
    .await;
    assert!((4_000..4_200).contains(&told()), "{}", told());
    assert_eq!(log_in(&closed, "secret").await.0, Some(true));
}

#[tokio::test]
async fn what_others_have_written_there_counts_as_nothing() {
    let server = Server::start();
    let node = server.node();
    let store = store(&node);
    let (key, name) = (LoginKey::Client(CLIENT), store.hash(b"joe"));
    let place = "tower-socks:failed-logins:test:{client:192.0.2.1}";
    let known_place = format!("tower-socks:logged-in:test:{{{name:016x}}}");
    let keys = [key, LoginKey::Known(CLIENT, name)];
    for place in [place, &known_place] {
        server.cli(&["RPUSH", place, "this", "is", "none"]);
    }
    let nothing = LoginHistory::new(vec![0, 0]);
    assert_eq!(history(&store, &keys).await.unwrap(), nothing);
    store.failed(&[(key, 15)]);
    store.succeeded(CLIENT, name);
    let both = LoginHistory::new(vec![1, 0]).known(true);
    until("it is put right", async || {
        history(&store, &keys).await.unwrap() == both
    })
    .await;
    // And after the scripts are forgotten.
    server.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(history(&store, &keys).await.unwrap(), both);
    assert!(node.is_up());
}
