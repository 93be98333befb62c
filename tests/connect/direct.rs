//! N1, N2 and N4: CONNECT over sockets.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;
use tower_socks::{
    Connector, NoAuth,
    connector::{
        direct::{ConnectError, Direct},
        resolve::Resolve,
    },
    proto::Address,
};

use crate::support::{
    Script, connect_to, failure, greeted, has_ipv6, proxy,
    sockets::{closed_port, listener_beside, resolving_to, silent},
    stack, success, within,
};

/// A client of a proxy with this connector, right behind its request.
async fn request<R: Resolve + Sync>(direct: Direct<R>, target: &str) -> TcpStream {
    let connector = Connector::direct().with_connect(direct);
    let mut client = greeted(proxy(stack(NoAuth, connector)).await).await;
    client.say(&connect_to(target)).await;
    client
}

/// The connection gets through, and to `listener`.
async fn gets_through<R: Resolve + Sync>(direct: Direct<R>, target: &str, listener: &TcpListener) {
    let mut client = request(direct, target).await;
    let (mut target, peer) = listener.accept().await.unwrap();
    client.hear(&success(peer)).await;
    client.say(b"ping").await;
    target.hear(b"ping").await;
    target.say(b"pong").await;
    client.hear(b"pong").await;
}

async fn gets<R: Resolve + Sync>(direct: Direct<R>, target: &str, code: u8) {
    let mut client = request(direct, target).await;
    client.hear(&failure(code)).await;
    client.hear_end().await;
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn n1_bnd_is_the_near_end_of_the_outgoing_socket() {
    if !has_ipv6() {
        return;
    }
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        within(async {
            let listener = TcpListener::bind(listen).await.unwrap();
            let target = listener.local_addr().unwrap();
            let mut client = request(Direct::new(), &target.to_string()).await;
            let (_stream, peer) = listener.accept().await.unwrap();
            let mut reply = vec![0; if peer.is_ipv4() { 10 } else { 22 }];
            client.read_exact(&mut reply).await.unwrap();
            let (ip, port) = (&reply[4..reply.len() - 2], &reply[reply.len() - 2..]);
            assert_eq!(reply[..3], [5, 0, 0]);
            assert_eq!(port, peer.port().to_be_bytes());
            match peer.ip() {
                IpAddr::V4(peer) => assert_eq!((reply[3], ip), (1, &peer.octets()[..])),
                IpAddr::V6(peer) => assert_eq!((reply[3], ip), (4, &peer.octets()[..])),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn n1_bnd_is_the_local_address_that_was_chosen() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let direct = Direct::new().local_address("127.0.0.9".parse().unwrap());
        let mut client = request(direct, &target).await;
        let (_stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.9");
        client.hear(&success(peer)).await;
    })
    .await;
}

#[tokio::test]
async fn n1_bnd_behind_a_name_is_that_of_the_address_that_answered() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (listener, _refusing) = listener_beside("::1", &["127.0.0.1"]).await;
        let direct = resolving_to(&["127.0.0.1", "::1"]);
        let target = format!("target.example:{}", port_of(&listener));
        gets_through(direct, &target, &listener).await;
    })
    .await;
}

#[tokio::test]
async fn n4_a_first_address_that_refuses_costs_nothing() {
    if !has_ipv6() {
        return;
    }
    for (works, refuses, addresses) in [
        ("127.0.0.1", "127.0.0.2", ["127.0.0.2", "127.0.0.1"]),
        ("127.0.0.1", "::1", ["::1", "127.0.0.1"]),
        ("::1", "127.0.0.1", ["127.0.0.1", "::1"]),
    ] {
        within(async {
            let (listener, _refusing) = listener_beside(works, &[refuses]).await;
            let target = format!("target.example:{}", port_of(&listener));
            gets_through(resolving_to(&addresses), &target, &listener).await;
        })
        .await;
    }
}

#[tokio::test]
async fn n4_every_address_is_tried() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let refuse = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"];
        let (listener, _refusing) = listener_beside("127.0.0.1", &refuse).await;
        let target = format!("target.example:{}", port_of(&listener));
        let addresses = ["::1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"];
        gets_through(resolving_to(&addresses), &target, &listener).await;
    })
    .await;
}

#[tokio::test]
async fn n4_no_more_than_32_addresses_are_tried() {
    within(async {
        let others: Vec<String> = (1..=32).map(|host| format!("127.0.1.{host}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let (listener, _reserved) = listener_beside("127.0.0.1", &others).await;
        let target = format!("many.example:{}", port_of(&listener));
        let before = |count| [&others[..count], &["127.0.0.1"]].concat();
        gets_through(resolving_to(&before(31)), &target, &listener).await;
        gets(resolving_to(&before(32)), &target, 5).await;
    })
    .await;
}

#[tokio::test]
async fn n4_a_silent_first_address_costs_the_stagger() {
    within(async {
        let (listener, mut reserved) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
        let _silent = silent(reserved.pop().unwrap()).await;
        let target = format!("target.example:{}", port_of(&listener));
        let started = Instant::now();
        gets_through(
            resolving_to(&["127.0.0.2", "127.0.0.1"]),
            &target,
            &listener,
        )
        .await;
        // RFC 8305 has 250 ms; the system itself would go on for minutes.
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(200), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    })
    .await;
}

#[tokio::test]
async fn n4_a_silent_target_ends_with_the_limit_of_the_dial() {
    within(async {
        let (listener, mut reserved) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
        let _silent = silent(reserved.pop().unwrap()).await;
        let port = port_of(&listener);
        let limit = Duration::from_millis(300);
        let direct = Direct::new().connect_timeout(limit);
        gets(direct, &format!("127.0.0.2:{port}"), 6).await;
        let direct = resolving_to(&["127.0.0.2"]).connect_timeout(limit);
        gets(direct, &format!("target.example:{port}"), 6).await;
    })
    .await;
}

#[tokio::test]
async fn n4_families_take_turns_beginning_with_the_first() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (port, _closed) = closed_port();
        for (answer, tried) in [
            (
                ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"],
                ["127.0.0.1", "::1", "127.0.0.2", "127.0.0.3"],
            ),
            (
                ["::1", "127.0.0.1", "127.0.0.2", "127.0.0.3"],
                ["::1", "127.0.0.1", "127.0.0.2", "127.0.0.3"],
            ),
        ] {
            let target = Address::new("target.example", port).unwrap();
            let error = resolving_to(&answer).oneshot(target).await.unwrap_err();
            let error: Box<ConnectError> = error.downcast().unwrap();
            let attempts = error.attempts().map(|(address, error)| {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
                address
            });
            let expected = tried.map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
            assert_eq!(attempts.collect::<Vec<_>>(), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn n4_all_refuse_is_05() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (port, _closed) = closed_port();
        let target = format!("target.example:{port}");
        gets(resolving_to(&["127.0.0.1"]), &target, 5).await;
        gets(resolving_to(&["127.0.0.1", "127.0.0.2", "::1"]), &target, 5).await;
    })
    .await;
}

#[tokio::test]
async fn n4_the_attempt_that_says_most_decides_the_code() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (port, _closed) = closed_port();
        let target = format!("target.example:{port}");
        // No machine has the local address, so IPv4 fails before it gets to the target.
        let nowhere: IpAddr = "192.0.2.1".parse().unwrap();
        let here: IpAddr = "::1".parse().unwrap();
        let direct = |addresses| {
            resolving_to(addresses)
                .local_address(nowhere)
                .local_address(here)
        };
        gets(direct(&["127.0.0.1"]), &target, 1).await;
        gets(direct(&["127.0.0.1", "::1"]), &target, 5).await;
        gets(direct(&["::1", "127.0.0.1"]), &target, 5).await;
        gets(direct(&["127.0.0.1", "::1", "127.0.0.2"]), &target, 5).await;
    })
    .await;
}

#[tokio::test]
async fn n4_a_family_without_a_local_address_is_left_out() {
    within(async {
        let (listener, _refusing) = listener_beside("127.0.0.1", &["::1"]).await;
        let port = port_of(&listener);
        let v4: IpAddr = "127.0.0.1".parse().unwrap();
        let both = resolving_to(&["::1", "127.0.0.1"]).local_address(v4);
        gets_through(both, &format!("target.example:{port}"), &listener).await;

        gets(Direct::new().local_address(v4), &format!("[::1]:{port}"), 8).await;
        let v6_only = resolving_to(&["::1"]).local_address(v4);
        gets(v6_only, &format!("target.example:{port}"), 8).await;
        let v6 = Direct::new().local_address("::1".parse().unwrap());
        gets(v6, &format!("127.0.0.1:{port}"), 8).await;
    })
    .await;
}
