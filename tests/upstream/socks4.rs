//! `Socks4Upstream`: what the proxy hears, what the policies are asked, and what comes of it.

use std::time::Duration;

use tower::{Layer, ServiceExt, util::BoxCloneSyncService};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, ClientError, Connector, HandshakeLayer, NoAuth, Refusal,
    client::Socks4Client,
    connector::{
        failover::Failover,
        upstream::{Socks4Upstream, Socks5Upstream},
    },
    error::reply_code,
    layer::socks4::Socks4Layer,
    proto::{Address, Command, ReplyCode},
};

use crate::support::{
    Client, HELLO, HELLO_OK, Script, failure, proxy,
    sockets::closed_port,
    success,
    upstream::{Asked, Diary, asks, by_hand, canned, guarded, resolver},
    within,
};

/// Granted, with 198.51.100.7:4321.
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";
const REJECTED: &[u8] = b"\x00\x5b\0\0\0\0\0\0";

fn upstream() -> Socks4Upstream {
    Socks4Upstream::new("proxy.example:1080")
}

fn client_error(error: &BoxError) -> &ClientError {
    error.downcast_ref().expect("a ClientError")
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_name_goes_to_the_proxy_as_a_name_and_the_policy_knows() {
    let (way, logs) = canned([GRANTED]);
    let policy = Diary::default();
    let client = Socks4Client::new().user_id("joe");
    let stream = upstream().via(way).client(client);
    let stream = stream
        .oneshot(guarded("example.com:80", policy.clone()))
        .await
        .unwrap();
    assert_eq!(
        logs[0].written().0,
        b"\x04\x01\x00\x50\0\0\0\x01joe\0example.com\0"
    );
    assert_eq!(*stream.bound(), address("198.51.100.7:4321"));
    assert_eq!(policy.asked(), [Asked::Name("example.com:80".into())]);
}

#[tokio::test]
async fn a_name_that_is_resolved_here_goes_as_each_of_its_ipv4_addresses() {
    let (way, logs) = canned([REJECTED, GRANTED]);
    let policy = Diary::default();
    let resolver = resolver(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
    let upstream = upstream().via(way).local_dns(resolver);
    upstream
        .oneshot(guarded("example.com:80", policy.clone()))
        .await
        .unwrap();
    assert_eq!(logs[0].written().0, b"\x04\x01\x00\x50\xc0\x00\x02\x01\0");
    assert_eq!(logs[1].written().0, b"\x04\x01\x00\x50\xc0\x00\x02\x02\0");
    // Nothing is asked about addresses that cannot be used.
    let asked = ["192.0.2.1:80", "192.0.2.2:80"].map(|it| Asked::Address(it.parse().unwrap()));
    assert_eq!(policy.asked(), asked);
}

#[tokio::test]
async fn c9_an_ipv6_target_costs_no_connection_to_the_proxy() {
    let (way, logs) = canned([GRANTED]);
    let upstream = upstream().via(way);
    let error = upstream
        .clone()
        .oneshot(address("[2001:db8::1]:80"))
        .await
        .unwrap_err();
    assert!(matches!(client_error(&error), ClientError::Unencodable(_)));
    assert_eq!(reply_code(&*error), ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED);
    let only = upstream.clone().local_dns(resolver(&["2001:db8::1"]));
    let error = only.oneshot(address("example.com:80")).await.unwrap_err();
    assert!(matches!(client_error(&error), ClientError::Unencodable(_)));
    let nameless = upstream.clone().client(Socks4Client::new().without_names());
    let error = nameless
        .oneshot(address("example.com:80"))
        .await
        .unwrap_err();
    assert!(matches!(client_error(&error), ClientError::Unencodable(_)));
    // The way has not been asked yet: its one proxy is still there.
    assert_eq!(logs[0].written().0, b"");
    assert!(upstream.oneshot(address("192.0.2.1:80")).await.is_ok());
}

#[tokio::test]
async fn what_the_policy_refuses_is_not_asked() {
    let refused = Asked::Address("192.0.2.1:80".parse().unwrap());
    let (way, logs) = canned([GRANTED]);
    let policy = Diary::refusing([refused]);
    let error = upstream()
        .via(way)
        .oneshot(guarded("192.0.2.1:80", policy))
        .await
        .unwrap_err();
    assert!(error.downcast_ref::<Refusal>().is_some());
    assert_eq!(logs[0].written().0, b"");
}

#[tokio::test]
async fn bind_and_udp_are_told_apart() {
    let (way, _) = canned([GRANTED]);
    let upstream = upstream().via(way);
    for command in [Command::BIND, Command::UDP_ASSOCIATE, Command::RESOLVE] {
        let mut request = guarded("192.0.2.1:80", Diary::default());
        request.command = command;
        let error = upstream.clone().oneshot(request).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::COMMAND_NOT_SUPPORTED);
    }
}

/// A SOCKS5 client whose BIND for `target` goes through a SOCKS4 proxy.
async fn listening(target: &str) -> (Client, tokio::io::DuplexStream) {
    let (way, mut proxy) = by_hand();
    let bind = upstream().via(way).into_bind();
    let connector = AclLayer::new(Diary::default()).layer(Connector::direct().with_bind(bind));
    let stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(connector));
    let mut client = Client::new(stack);
    client.io.say(HELLO).await;
    client.io.hear(HELLO_OK).await;
    client.io.say(&asks(Command::BIND, target)).await;
    proxy.hear(b"\x04\x02\x00\x14\xc0\x00\x02\x01\0").await;
    proxy.say(GRANTED).await;
    client
        .io
        .hear(&success("198.51.100.7:4321".parse().unwrap()))
        .await;
    (client, proxy)
}

#[tokio::test(start_paused = true)]
async fn bind_through_it_has_both_replies_in_each_protocol() {
    within(async {
        let (mut client, mut proxy) = listening("192.0.2.1:20").await;
        proxy
            .say(b"\x00\x5a\x15\xb3\xc0\x00\x02\x01220 hello")
            .await;
        client
            .io
            .hear(&success("192.0.2.1:5555".parse().unwrap()))
            .await;
        client.io.hear(b"220 hello").await;
        // Another peer than the expected one, whatever the proxy thinks of it.
        let (mut client, mut proxy) = listening("192.0.2.1:20").await;
        proxy.say(b"\x00\x5a\x15\xb3\xc0\x00\x02\x02").await;
        client.io.hear(&failure(2)).await;
        // The proxy itself rejects.
        let (mut client, mut proxy) = listening("192.0.2.1:20").await;
        proxy.say(REJECTED).await;
        client.io.hear(&failure(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_chain_has_it_at_any_place() {
    within(async {
        let stack =
            |layer: Socks4Layer| layer.layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
        let four = proxy(stack(Socks4Layer::new())).await;
        let five = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
        let five = proxy(five).await;
        let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = target.local_addr().unwrap().port();
        let first = Socks5Upstream::new(five).via(Socks4Upstream::new(four));
        let second = Socks4Upstream::new(four).via(Socks5Upstream::new(five));
        for turn in 0..2 {
            let to = Address::new("localhost", port).unwrap();
            let mut stream = match turn {
                0 => first.clone().oneshot(to).await.unwrap(),
                _ => second.clone().oneshot(to).await.unwrap(),
            };
            let (mut accepted, _) = target.accept().await.unwrap();
            accepted.say(b"hello").await;
            stream.hear(b"hello").await;
            stream.say(b"bye").await;
            accepted.hear(b"bye").await;
        }
        // The failure is the proxy's, which does not tell more.
        let (port, _bound) = closed_port();
        let closed = Address::new("127.0.0.1", port).unwrap();
        let error = Socks4Upstream::new(four).oneshot(closed).await.unwrap_err();
        assert!(matches!(client_error(&error), ClientError::Rejected(_)));
        assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failover_takes_what_it_cannot_ask_to_the_next_one() {
    within(async {
        let (four, logs) = canned([GRANTED]);
        let four = upstream().via(four);
        let (five, others) = canned([[HELLO_OK, &success(([192, 0, 2, 9], 1).into())].concat()]);
        let five = Socks5Upstream::new("other.example:1080").via(five);
        let failover = Failover::new([
            ("four", BoxCloneSyncService::new(four)),
            ("five", BoxCloneSyncService::new(five)),
        ]);
        let v6 = guarded("[2001:db8::1]:80", Diary::default());
        assert!(failover.clone().oneshot(v6).await.is_ok());
        assert!(others[0].written().0.starts_with(HELLO));
        assert_eq!(logs[0].written().0, b"");
        // It is up all the same.
        let v4 = guarded("192.0.2.1:80", Diary::default());
        assert!(failover.oneshot(v4).await.is_ok());
        assert!(!logs[0].written().0.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_is_given_up_in_time() {
    within(async {
        let (way, _proxy) = by_hand();
        let client = Socks4Client::new().timeout(Duration::from_secs(3));
        let started = tokio::time::Instant::now();
        let error = upstream()
            .via(way)
            .client(client)
            .oneshot(address("192.0.2.1:80"))
            .await;
        assert_eq!(started.elapsed().as_secs(), 3);
        assert_eq!(reply_code(&*error.unwrap_err()), ReplyCode::TTL_EXPIRED);
    })
    .await;
}
