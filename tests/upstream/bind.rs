//! BIND by another proxy, byte by byte: both replies, and the peer that is let in.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt};
use tower_socks::{
    AclLayer, AuthLayer, Client as SocksClient, Connector, HandshakeLayer, NoAuth, Request, Tunnel,
    connector::upstream::Socks5Upstream,
    error::reply_code,
    proto::{Address, Command, ReplyCode},
};

use crate::support::{
    Client, HELLO, HELLO_OK, Script, failure, success,
    upstream::{Asked, Diary, asks, by_hand, guarded},
    within,
};

const LISTENS: &str = "198.51.100.7:4321";
const PEER: &str = "192.0.2.1:5555";

/// A client whose BIND for `target` has its first reply, and the proxy that gave it.
async fn listening(target: &str, policy: Diary) -> (Client, DuplexStream) {
    listening_behind(HandshakeLayer::new(), target, policy).await
}

/// The same behind a handshake of one's own.
async fn listening_behind(
    handshake: HandshakeLayer,
    target: &str,
    policy: Diary,
) -> (Client, DuplexStream) {
    let (way, mut proxy) = by_hand();
    let client = SocksClient::new().accept_timeout(Duration::from_secs(50));
    let upstream = Socks5Upstream::new("proxy.example:1080".parse::<Address>().unwrap());
    let bind = upstream.client(client).via(way).into_bind();
    let connector = AclLayer::new(policy).layer(Connector::direct().with_bind(bind));
    let mut client = Client::new(handshake.layer(AuthLayer::new(NoAuth).layer(connector)));
    client.io.say(HELLO).await;
    client.io.hear(HELLO_OK).await;
    client.io.say(&asks(Command::BIND, target)).await;
    proxy.hear(HELLO).await;
    proxy.say(HELLO_OK).await;
    proxy.hear(&asks(Command::BIND, target)).await;
    proxy.say(&success(LISTENS.parse().unwrap())).await;
    client.io.hear(&success(LISTENS.parse().unwrap())).await;
    (client, proxy)
}

#[tokio::test(start_paused = true)]
async fn both_replies_are_passed_on_and_bytes_behind_them_are_kept() {
    within(async {
        let policy = Diary::default();
        let (mut client, mut proxy) = listening("192.0.2.1:0", policy.clone()).await;
        let second = success(PEER.parse().unwrap());
        proxy.say(&[&*second, b"220 hello"].concat()).await;
        client.io.hear(&second).await;
        client.io.hear(b"220 hello").await;
        client.io.say(b"bye").await;
        client.io.shutdown().await.unwrap();
        proxy.hear(b"bye").await;
        proxy.hear_end().await;
        let asked = [
            Asked::Stated("192.0.2.1:0".into()),
            Asked::Address(PEER.parse().unwrap()),
        ];
        assert_eq!(policy.asked(), asked);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn codes_of_the_second_reply_are_passed_on_whatever_they_are() {
    within(async {
        for code in 1..=255 {
            let (mut client, mut proxy) = listening("192.0.2.1:0", Diary::default()).await;
            proxy.say(&failure(code)).await;
            client.io.hear(&failure(code)).await;
            client.io.hear_end().await;
        }
    })
    .await;
}

/// Nobody but the expected peer, whatever the proxy thinks of it.
#[tokio::test(start_paused = true)]
async fn another_peer_than_the_expected_is_not_let_in() {
    within(async {
        let policy = Diary::default();
        let (mut client, mut proxy) = listening("192.0.2.1:0", policy.clone()).await;
        proxy.say(&success("192.0.2.2:80".parse().unwrap())).await;
        client.io.hear(&failure(2)).await;
        client.io.hear_end().await;
        proxy.hear_end().await;
        assert_eq!(policy.asked(), [Asked::Stated("192.0.2.1:0".into())]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_by_a_non_canonical_literal_is_judged_as_who_it_is() {
    // A reply as it cannot be written here: ATYP X'04' with an IPv4 address in it, and a name that
    // is an address.
    let mapped = b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x15\xb3";
    let named = b"\x05\x00\x00\x03\x0a0xc0000201\x15\xb3";
    within(async {
        for said in [&mapped[..], named] {
            let policy = Diary::default();
            let (mut client, mut proxy) = listening("0.0.0.0:0", policy.clone()).await;
            proxy.say(said).await;
            client.io.hear(&success(PEER.parse().unwrap())).await;
            assert_eq!(
                policy.asked()[1..],
                [Asked::Address(PEER.parse().unwrap())],
                "{said:?}"
            );

            let refusing = Diary::refusing([Asked::Address(PEER.parse().unwrap())]);
            let (mut client, mut proxy) = listening("192.0.2.1:0", refusing).await;
            proxy.say(said).await;
            client.io.hear(&failure(2)).await;
            proxy.hear_end().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_keeps_the_peer_to_itself_is_trusted() {
    within(async {
        let policy = Diary::default();
        let (mut client, mut proxy) = listening("192.0.2.1:0", policy.clone()).await;
        proxy.say(&success("0.0.0.0:0".parse().unwrap())).await;
        client.io.hear(&success("0.0.0.0:0".parse().unwrap())).await;
        assert_eq!(policy.asked(), [Asked::Stated("192.0.2.1:0".into())]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_peer_is_handed_on_if_it_may_be() {
    within(async {
        let policy = Diary::default();
        let (mut client, mut proxy) = listening("ftp.example:0", policy.clone()).await;
        proxy.say(&success(PEER.parse().unwrap())).await;
        client.io.hear(&success(PEER.parse().unwrap())).await;
        let name = || "ftp.example:0".to_owned();
        let asked = [
            Asked::Stated(name()),
            Asked::Name(name()),
            Asked::Address(PEER.parse().unwrap()),
        ];
        assert_eq!(policy.asked(), asked);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_closes_the_listener() {
    within(async {
        let (mut client, mut proxy) = listening("192.0.2.1:0", Diary::default()).await;
        client.io.shutdown().await.unwrap();
        proxy.hear_end().await;
        client.io.hear(&failure(1)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_come_is_not_waited_for_for_ever() {
    let (mut client, mut proxy) = listening("192.0.2.1:0", Diary::default()).await;
    let started = tokio::time::Instant::now();
    client.io.hear(&failure(6)).await;
    proxy.hear_end().await;
    assert_eq!(started.elapsed().as_secs(), 50);
}

/// A mapping of one's own decides on the second reply: here it is 0x80 more than the table's code.
#[tokio::test(start_paused = true)]
async fn codes_of_the_second_reply_are_mapped() {
    let begin = async |policy| {
        let handshake =
            HandshakeLayer::new().reply_code(|error| ReplyCode(0x80 + reply_code(error).0));
        listening_behind(handshake, "192.0.2.1:0", policy).await
    };
    within(async {
        // What the proxy says.
        let (mut client, mut proxy) = begin(Diary::default()).await;
        proxy.say(&failure(4)).await;
        client.io.hear(&failure(0x84)).await;
        client.io.hear_end().await;

        // A peer that is not the expected one, and one that the policy refuses.
        let (mut client, mut proxy) = begin(Diary::default()).await;
        proxy.say(&success("192.0.2.2:80".parse().unwrap())).await;
        client.io.hear(&failure(0x82)).await;
        let refusing = Diary::refusing([Asked::Address(PEER.parse().unwrap())]);
        let (mut client, mut proxy) = begin(refusing).await;
        proxy.say(&success(PEER.parse().unwrap())).await;
        client.io.hear(&failure(0x82)).await;

        // A client that leaves.
        let (mut client, _proxy) = begin(Diary::default()).await;
        client.io.shutdown().await.unwrap();
        client.io.hear(&failure(0x81)).await;
    })
    .await;
    // A peer that does not come: more than the time of a test, as the clock has it.
    let (mut client, _proxy) = begin(Diary::default()).await;
    client.io.hear(&failure(0x86)).await;
}

/// BND with zeros for its address means the proxy's own (C7), and in a chain that is not the one at
/// the other end of the stream.
#[tokio::test]
async fn a_wildcard_means_the_last_proxy() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let first = listener.local_addr().unwrap();
        let wildcard = success("0.0.0.0:4321".parse().unwrap());
        let request = || guarded("192.0.2.1:0", Diary::default());

        // The only proxy.
        let upstream = Socks5Upstream::new(first).into_bind();
        let (binding, _) = tokio::join!(upstream.oneshot(request()), async {
            let (mut proxy, _) = listener.accept().await.unwrap();
            listens(&mut proxy, &wildcard).await;
            proxy
        });
        assert_eq!(bound(&binding.unwrap()), "127.0.0.1:4321");

        // The last one of two, by address and by name.
        for (second, expected) in [
            ("198.51.100.9:1080", "198.51.100.9:4321"),
            ("second.example:1080", "0.0.0.0:4321"),
        ] {
            let chain = Socks5Upstream::new(second.parse::<Address>().unwrap())
                .via(Socks5Upstream::new(first));
            let (binding, _) = tokio::join!(chain.into_bind().oneshot(request()), async {
                let (mut proxy, _) = listener.accept().await.unwrap();
                proxy.hear(HELLO).await;
                proxy.say(HELLO_OK).await;
                proxy.hear(&asks(Command::CONNECT, second)).await;
                proxy.say(&success("192.0.2.8:1".parse().unwrap())).await;
                listens(&mut proxy, &wildcard).await;
                proxy
            });
            assert_eq!(bound(&binding.unwrap()), expected);
        }

        // A way that does not say where it leads.
        let (way, mut proxy) = by_hand();
        let upstream = Socks5Upstream::new("198.51.100.9:1080".parse::<Address>().unwrap());
        let asking = upstream.via(way).into_bind().oneshot(request());
        let (binding, ()) = tokio::join!(asking, listens(&mut proxy, &wildcard));
        assert_eq!(bound(&binding.unwrap()), "198.51.100.9:4321");

        // The same by hand: a stream that a client has made is one through a proxy.
        let client = SocksClient::new();
        let (listener_there, _) = tokio::join!(
            async {
                let stream = TcpStream::connect(first).await.unwrap();
                let second: Address = "second.example:1080".parse().unwrap();
                let stream = client.connect(stream, second).await.unwrap();
                client.bind(stream, Address::UNSPECIFIED).await.unwrap()
            },
            async {
                let (mut proxy, _) = listener.accept().await.unwrap();
                proxy.hear(HELLO).await;
                proxy.say(HELLO_OK).await;
                proxy
                    .hear(&asks(Command::CONNECT, "second.example:1080"))
                    .await;
                proxy.say(&success("192.0.2.8:1".parse().unwrap())).await;
                proxy.hear(HELLO).await;
                proxy.say(HELLO_OK).await;
                proxy.hear(&asks(Command::BIND, "0.0.0.0:0")).await;
                proxy.say(&wildcard).await;
                proxy
            }
        );
        assert_eq!(listener_there.bound().to_string(), "0.0.0.0:4321");
    })
    .await;
}

async fn listens(proxy: &mut impl Script, reply: &[u8]) {
    proxy.hear(HELLO).await;
    proxy.say(HELLO_OK).await;
    proxy.hear(&asks(Command::BIND, "192.0.2.1:0")).await;
    proxy.say(reply).await;
}

fn bound<T: Tunnel>(tunnel: &T) -> String {
    tunnel.bound().to_string()
}

/// A BIND is for requests: that is what brings policies along.
#[test]
fn services_for_requests_are_clone_and_send() {
    fn service<S: tower::Service<Request> + Clone + Send + 'static>(_: S) {}
    let proxy: Address = "proxy.example:1080".parse().unwrap();
    service(Socks5Upstream::new(proxy.clone()).into_bind());
    service(Socks5Upstream::new(proxy).into_transports());
}
