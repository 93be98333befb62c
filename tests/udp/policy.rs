//! A12: the policy is asked about every destination, and some are no destinations at all.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tower::Layer;
use tower_socks::{
    AclLayer, Connector,
    connector::{
        associate::{Associate, MakeDirect},
        resolve::Resolve,
    },
    proto::{Address, Command},
    session::Policy,
};

use crate::support::{
    Script, failure,
    udp::{
        ASSOCIATE, Client, ClientScript, address,
        association::{Association, assert_silent, datagram, socket},
        name, pass,
        policies::{Asked, forbidding, hosts},
        stack, within,
    },
};

const UDP: Command = Command::UDP_ASSOCIATE;

/// The same under a policy.
async fn judged(policy: impl Policy, resolver: impl Resolve + Sync) -> Association {
    let paths = MakeDirect::new().resolver(resolver);
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    Association::new(stack(AclLayer::new(policy).layer(connector))).await
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// Forgets what was asked about the request itself.
fn forget_request(asked: &Asked) {
    assert_eq!(asked.about(UDP), [("0.0.0.0:0".to_owned(), None)]);
    asked.forget();
}

#[tokio::test]
async fn a12_the_policy_is_asked_about_every_address() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let forbidden = one.local_addr().unwrap();
        let (policy, asked) = forbidding(move |_, address| address == Some(forbidden));
        let association = judged(policy, hosts(&[]).0).await;
        forget_request(&asked);

        association.say(&one, b"forbidden").await;
        association.echo(&two, b"ping").await;
        assert_silent(&one);
        let text = |socket: &UdpSocket| socket.local_addr().unwrap().to_string();
        let expected = [&one, &two].map(|socket| {
            let text = text(socket);
            [(text.clone(), None), (text.clone(), Some(text))]
        });
        assert_eq!(asked.about(UDP), expected.concat());

        // The answer is kept, whichever it was.
        asked.forget();
        association.say(&one, b"forbidden").await;
        association.echo(&two, b"ping").await;
        assert_silent(&one);
        assert_eq!(asked.about(UDP), []);
    })
    .await;
}

#[tokio::test]
async fn a12_the_policy_is_asked_about_a_target_as_stated() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let closed = port(&one);
        let forbids = move |target: &Address, _| target.port() == closed;
        let (policy, _) = forbidding(forbids);
        let association = judged(policy, hosts(&[]).0).await;
        association.say(&one, b"forbidden").await;
        // In another notation, too.
        for disguise in ["127.0.0.1", "127.1", "0x7f.1", "[::ffff:127.0.0.1]"] {
            let to = name(disguise, closed);
            association.send(&datagram(0, &to, b"forbidden")).await;
        }
        association.echo(&two, b"ping").await;
        assert_silent(&one);
    })
    .await;
}

#[tokio::test]
async fn a12_the_policy_is_asked_about_a_name_and_about_its_addresses() {
    within(async {
        let target = socket("127.0.0.2").await;
        let bystander = UdpSocket::bind(("127.0.0.1", port(&target))).await;
        let (policy, asked) = forbidding(|_, address: Option<SocketAddr>| {
            address.is_some_and(|address| address.ip().to_string() == "127.0.0.1")
        });
        let (resolver, lookups) = hosts(&[("two.example", &["127.0.0.1", "127.0.0.2"])]);
        let association = judged(policy, resolver).await;
        forget_request(&asked);

        let to = name("two.example", port(&target));
        for payload in [&b"one"[..], b"two"] {
            association.send(&datagram(0, &to, payload)).await;
            let source = association.reaches(&target, payload).await;
            target.send_to(b"answer", source).await.unwrap();
            association.hear(&target, b"answer").await;
        }
        if let Ok(bystander) = bystander {
            assert_silent(&bystander);
        }
        let stated = format!("two.example:{}", port(&target));
        let address = |ip: &str| Some(format!("{ip}:{}", port(&target)));
        assert_eq!(
            asked.about(UDP),
            [
                (stated.clone(), None),
                (stated.clone(), address("127.0.0.1")),
                (stated, address("127.0.0.2")),
            ]
        );
        assert_eq!(*lookups.lock().unwrap(), ["two.example"]);
    })
    .await;
}

#[tokio::test]
async fn a12_a_forbidden_name_is_not_even_looked_up() {
    within(async {
        let target = socket("127.0.0.1").await;
        let (policy, asked) = forbidding(|target: &Address, _| {
            target
                .name()
                .is_some_and(|name| name.as_str() == "secret.example")
        });
        let host: &[&str] = &["127.0.0.1"];
        let (resolver, lookups) = hosts(&[("secret.example", host), ("open.example", host)]);
        let association = judged(policy, resolver).await;
        forget_request(&asked);
        for _ in 0..3 {
            let secret = name("secret.example", port(&target));
            association.send(&datagram(0, &secret, b"forbidden")).await;
            association.echo(&target, b"ping").await;
        }
        let open = name("open.example", port(&target));
        association.send(&datagram(0, &open, b"open")).await;
        association.reaches(&target, b"open").await;
        assert_eq!(*lookups.lock().unwrap(), ["open.example"]);
    })
    .await;
}

#[tokio::test]
async fn a12_leave_for_a_name_is_no_leave_for_its_address() {
    within(async {
        let target = socket("127.0.0.1").await;
        let (policy, _) =
            forbidding(|target: &Address, address| target.ip().is_some() && address.is_some());
        let (resolver, _) = hosts(&[("open.example", &["127.0.0.1"])]);
        let association = judged(policy, resolver).await;
        let open = name("open.example", port(&target));
        for payload in [&b"one"[..], b"two"] {
            association.send(&datagram(0, &open, payload)).await;
            association.reaches(&target, payload).await;
            association.say(&target, b"forbidden").await;
        }
        association.send(&datagram(0, &open, b"three")).await;
        association.reaches(&target, b"three").await;
    })
    .await;
}

#[tokio::test]
async fn a12_a_name_that_changes_its_mind_wins_nothing() {
    within(async {
        let target = socket("127.0.0.1").await;
        let inside = UdpSocket::bind(("127.0.0.9", port(&target))).await;
        let (policy, _) = forbidding(|_, address: Option<SocketAddr>| {
            address.is_some_and(|address| address.ip().to_string() == "127.0.0.9")
        });
        // Every lookup has another answer.
        let answers = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(0));
        let resolver = tower::service_fn(move |_: tower_socks::connector::resolve::Lookup| {
            let count = answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let last = if count.is_multiple_of(2) { 1 } else { 9 };
            let answer = vec![std::net::IpAddr::from([127, 0, 0, last])];
            async move { Ok::<_, tower_socks::BoxError>(answer) }
        });
        let association = judged(policy, resolver).await;
        let rebinding = name("rebinding.example", port(&target));
        for payload in [&b"one"[..], b"two"] {
            association.send(&datagram(0, &rebinding, payload)).await;
            association.reaches(&target, payload).await;
        }
        // The answer is old, and the new one is judged as well.
        pass(20).await;
        pass(20).await;
        pass(21).await;
        association.send(&datagram(0, &rebinding, b"lost")).await;
        association.echo(&target, b"ping").await;
        if let Ok(inside) = inside {
            assert_silent(&inside);
        }
    })
    .await;
}

#[tokio::test]
async fn a12_a_policy_may_refuse_the_association() {
    within(async {
        let (policy, _) = forbidding(|_, _| true);
        let service = AclLayer::new(policy).layer(Connector::direct());
        let mut client = Client::new(stack(service)).await;
        let zeros = address(([0, 0, 0, 0], 0).into());
        client.io.request(ASSOCIATE, &zeros).await;
        client.io.hear(&failure(2)).await;
        client.io.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a12_a_datagram_goes_to_one_host() {
    within(async {
        let (resolver, _) = hosts(&[
            ("all.example", &["224.0.0.1"]),
            ("any.example", &["0.0.0.0"]),
            ("here.example", &["127.0.0.1"]),
        ]);
        let (policy, asked) = forbidding(|_, _| false);
        let association = judged(policy, resolver).await;
        forget_request(&asked);
        let target = socket("127.0.0.1").await;
        let port = port(&target);
        // Whoever listens on all addresses would get what goes to 0.0.0.0.
        let addresses = [
            format!("0.0.0.0:{port}"),
            format!("255.255.255.255:{port}"),
            format!("224.0.0.1:{port}"),
            format!("239.255.255.250:{port}"),
            format!("[::]:{port}"),
            format!("[::ffff:0.0.0.0]:{port}"),
            format!("[ff02::1]:{port}"),
            "127.0.0.1:0".to_owned(),
            "[::1]:0".to_owned(),
        ];
        for to in addresses {
            let to = address(to.parse().unwrap());
            association.send(&datagram(0, &to, b"lost")).await;
        }
        for (host, port) in [
            ("all.example", port),
            ("any.example", port),
            ("here.example", 0),
            ("0", port),
        ] {
            let to = name(host, port);
            association.send(&datagram(0, &to, b"lost")).await;
        }
        association.echo(&target, b"ping").await;
        // No policy has a say in that.
        let addresses = asked
            .about(UDP)
            .into_iter()
            .filter_map(|(_, address)| address);
        let echoed = format!("127.0.0.1:{port}");
        assert_eq!(addresses.collect::<Vec<_>>(), [echoed]);
    })
    .await;
}
