//! N2: what the policy gets to see, and what comes of its word.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};
use tower_socks::{
    AclLayer, BoxError, Connector, Credentials, Identity, NoAuth, Refusal, Request, UserPass,
    connector::{
        direct::Direct,
        resolve::{Lookup, Resolve},
    },
    proto::Address,
    session::{Check, Policy},
};

use crate::support::{
    CONNECT, Client, HELLO, HELLO_OK, PEER, Script, connect_to, exchange, failure, greeted, proxy,
    sockets::{listener_beside, resolving_to},
    stack, success,
    targets::targets,
    within,
};

/// What a policy was asked: about which target, and about which address for it.
type Asked = Arc<Mutex<Vec<(Address, Option<SocketAddr>)>>>;

/// A policy that notes what it is asked, and forbids these addresses.
fn forbidding(addresses: &[&str]) -> (impl Policy + use<>, Asked) {
    let forbidden: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    let asked = Asked::default();
    let note = Arc::clone(&asked);
    let policy = move |request: &Request, check: Check| {
        note.lock()
            .unwrap()
            .push((request.target.clone(), check.address()));
        match check.address() {
            Some(address) if forbidden.contains(&address.ip()) => {
                Err(Refusal::not_allowed("forbidden address"))
            }
            _ => Ok(()),
        }
    };
    (policy, asked)
}

/// A client of a proxy with this policy and connector, right behind its request.
async fn request<R: Resolve + Sync>(
    policy: impl Policy,
    direct: Direct<R>,
    target: &str,
) -> TcpStream {
    let connector = Connector::direct().with_connect(direct);
    let service = AclLayer::new(policy).layer(connector);
    let mut client = greeted(proxy(stack(NoAuth, service)).await).await;
    client.say(&connect_to(target)).await;
    client
}

/// Nobody has connected.
fn assert_untouched(listener: TcpListener) {
    let listener = listener.into_std().unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test(start_paused = true)]
async fn n2_the_policy_sees_target_client_and_identity() {
    within(async {
        let seen = Arc::new(Mutex::new(None));
        let note = Arc::clone(&seen);
        let policy = move |request: &Request, _| {
            *note.lock().unwrap() = Some(request.clone());
            Err(Refusal::not_allowed("seen enough"))
        };
        let anyone = service_fn(async |credentials: Credentials| {
            Ok::<_, BoxError>(Identity::named(credentials.name()))
        });
        let (dialer, mut dialled) = targets();
        let service = AclLayer::new(policy).layer(dialer);
        let said = [
            b"\x05\x01\x02\x01\x03joe\x06secret",
            &connect_to("target.example:443")[..],
        ]
        .concat();
        let heard = exchange(stack(UserPass::new(anyone), service), &said).await;
        assert_eq!(heard, [&b"\x05\x02\x01\x00"[..], &failure(2)].concat());

        let seen = seen.lock().unwrap().take().unwrap();
        assert_eq!(seen.target.to_string(), "target.example:443");
        assert_eq!(seen.peer.to_string(), PEER);
        assert_eq!(seen.identity.name(), Some(&b"joe"[..]));
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn n2_the_policy_sees_the_address_of_a_client_on_a_socket() {
    within(async {
        let peers = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&peers);
        let policy = move |request: &Request, _| {
            note.lock().unwrap().push((request.peer, request.local));
            Err(Refusal::not_allowed("seen enough"))
        };
        let (dialer, _) = targets();
        let proxy = proxy(stack(NoAuth, AclLayer::new(policy).layer(dialer))).await;
        let mut client = greeted(proxy).await;
        client.say(CONNECT).await;
        client.hear(&failure(2)).await;
        let expected = (client.local_addr().unwrap(), proxy);
        assert_eq!(*peers.lock().unwrap(), [expected]);
    })
    .await;
}

#[tokio::test]
async fn n2_a_literal_is_judged_as_stated_and_as_the_address_to_dial() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let (policy, asked) = forbidding(&[]);
        let mut client = request(policy, Direct::new(), &target.to_string()).await;
        let (_stream, peer) = listener.accept().await.unwrap();
        client.hear(&success(peer)).await;
        let stated = Address::Ip(target);
        let expected = [(stated.clone(), None), (stated, Some(target))];
        assert_eq!(*asked.lock().unwrap(), expected);
    })
    .await;
}

#[tokio::test]
async fn n2_a_forbidden_literal_is_02_and_not_dialled() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let (policy, _) = forbidding(&["127.0.0.1"]);
        let mut client = request(policy, Direct::new(), &target).await;
        client.hear(&failure(2)).await;
        client.hear_end().await;
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn n2_the_policy_sees_each_address_of_a_name_and_the_name() {
    within(async {
        let others = ["127.0.0.2", "127.0.0.3"];
        let (listener, _refusing) = listener_beside("127.0.0.1", &others).await;
        let port = listener.local_addr().unwrap().port();
        let (policy, asked) = forbidding(&others);
        let direct = resolving_to(&["127.0.0.2", "127.0.0.1", "127.0.0.3"]);
        let mut client = request(policy, direct, &format!("target.example:{port}")).await;
        let (_stream, peer) = listener.accept().await.unwrap();
        client.hear(&success(peer)).await;

        let name = Address::new("target.example", port).unwrap();
        let address = |ip: &str| Some(SocketAddr::new(ip.parse().unwrap(), port));
        let expected = [
            (name.clone(), None),
            (name.clone(), address("127.0.0.2")),
            (name.clone(), address("127.0.0.1")),
            (name, address("127.0.0.3")),
        ];
        assert_eq!(*asked.lock().unwrap(), expected);
    })
    .await;
}

#[tokio::test]
async fn n2_forbidden_addresses_are_left_out() {
    within(async {
        // Both would answer.
        let (allowed, mut others) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
        let forbidden = others.pop().unwrap().listen(8).unwrap();
        let port = allowed.local_addr().unwrap().port();
        let (policy, _) = forbidding(&["127.0.0.2"]);
        let direct = resolving_to(&["127.0.0.2", "127.0.0.1"]);
        let mut client = request(policy, direct, &format!("target.example:{port}")).await;
        let (_stream, peer) = allowed.accept().await.unwrap();
        client.hear(&success(peer)).await;
        assert_untouched(forbidden);
    })
    .await;
}

#[tokio::test]
async fn n2_a_name_with_forbidden_addresses_only_is_02_and_not_dialled() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for answer in [
            &["127.0.0.1"][..],
            &["127.0.0.1", "::1"],
            // Written as IPv6, reached as IPv4, and judged as that.
            &["::ffff:127.0.0.1"],
        ] {
            let (policy, _) = forbidding(&["127.0.0.1", "::1"]);
            let target = format!("target.example:{port}");
            let mut client = request(policy, resolving_to(answer), &target).await;
            client.hear(&failure(2)).await;
            client.hear_end().await;
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn n2_a_forbidden_address_is_not_a_way_around_one_that_refuses() {
    within(async {
        let (listener, _refusing) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
        let port = listener.local_addr().unwrap().port();
        let (policy, _) = forbidding(&["127.0.0.1"]);
        let direct = resolving_to(&["127.0.0.2", "127.0.0.1"]);
        let mut client = request(policy, direct, &format!("target.example:{port}")).await;
        client.hear(&failure(5)).await;
        client.hear_end().await;
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn n2_the_address_that_was_judged_is_the_one_that_is_dialled() {
    within(async {
        let (listener, _refusing) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
        let port = listener.local_addr().unwrap().port();
        // A name that leads elsewhere as soon as somebody asks again.
        let lookups = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lookups);
        let rebinding = service_fn(move |_: Lookup| {
            let answer = match count.fetch_add(1, Ordering::SeqCst) {
                0 => [127, 0, 0, 1],
                _ => [127, 0, 0, 2],
            };
            async move { Ok::<_, BoxError>([IpAddr::from(answer)]) }
        });
        let (policy, asked) = forbidding(&["127.0.0.2"]);
        let direct = Direct::new().resolver(rebinding);
        let mut client = request(policy, direct, &format!("target.example:{port}")).await;
        let (_stream, peer) = listener.accept().await.unwrap();
        client.hear(&success(peer)).await;

        assert_eq!(lookups.load(Ordering::SeqCst), 1);
        let judged = SocketAddr::from(([127, 0, 0, 1], port));
        let judgements: Vec<_> = asked.lock().unwrap().iter().map(|(_, at)| *at).collect();
        assert_eq!(judgements, [None, Some(judged)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn n2_a_name_is_judged_before_it_is_looked_up() {
    within(async {
        let resolver =
            service_fn(async |_: Lookup| -> Result<Vec<IpAddr>, BoxError> { panic!("looked up") });
        let policy = |request: &Request, _| match request.target.name() {
            Some(_) => Err(Refusal::not_allowed("no names")),
            None => Ok(()),
        };
        let connector = Connector::direct().with_connect(Direct::new().resolver(resolver));
        let stack = stack(NoAuth, AclLayer::new(policy).layer(connector));
        let mut client = Client::new(stack);
        let said = [HELLO, &connect_to("target.example:80")].concat();
        client.io.say(&said).await;
        client.io.hear(&[HELLO_OK, &failure(2)].concat()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn n2_every_one_of_several_policies_judges_the_address() {
    for (outer, inner) in [(&["127.0.0.1"][..], &[][..]), (&[], &["127.0.0.1"])] {
        within(async {
            let (outer, outer_asked) = forbidding(outer);
            let (inner, inner_asked) = forbidding(inner);
            let connector = Connector::direct().with_connect(resolving_to(&["127.0.0.1"]));
            let service = AclLayer::new(outer).layer(AclLayer::new(inner).layer(connector));
            let said = [HELLO, &connect_to("target.example:80")].concat();
            let heard = exchange(stack(NoAuth, service), &said).await;
            assert_eq!(heard, [HELLO_OK, &failure(2)].concat());
            assert!(!outer_asked.lock().unwrap().is_empty());
            assert!(!inner_asked.lock().unwrap().is_empty());
        })
        .await;
    }
}
