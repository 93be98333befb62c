//! A13: limits in time and in number.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;
use tower::ServiceExt;
use tower_socks::{
    Connector, Identity, Refusal, Request, Tunnel,
    connector::associate::{Associate, MakeDirect},
    proto::{Address, Command},
    relay::{RelayError, RelayErrorKind},
};

use crate::support::{
    Script, failure,
    udp::{
        ASSOCIATE, Client, ClientScript, address,
        association::{Association, datagram, socket},
        name, pass,
        policies::hosts,
        quiet_port, stack, within,
    },
};

/// An association of 20 seconds of idleness.
async fn restless() -> Association {
    let associate = Associate::new().idle_timeout(Duration::from_secs(20));
    Association::new(stack(Connector::direct().with_associate(associate))).await
}

/// The association has ended for want of traffic, and this much had moved.
async fn ends_idle(mut association: Association, moved: (u64, u64)) {
    let outcome = association.control.outcome().await.unwrap_err();
    let error: &io::Error = outcome.source().unwrap().downcast_ref().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let error: &RelayError = error.get_ref().unwrap().downcast_ref().unwrap();
    assert_eq!(error.kind(), RelayErrorKind::Idle);
    assert_eq!((error.traffic().up, error.traffic().down), moved);
    association.control.io.hear_end().await;
    UdpSocket::bind(association.relay).await.unwrap();
}

#[tokio::test]
async fn a13_an_association_without_traffic_ends() {
    within(async {
        let association = restless().await;
        pass(15).await;
        tokio::task::yield_now().await;
        assert!(!association.control.is_over());
        pass(5).await;
        ends_idle(association, (0, 0)).await;
    })
    .await;
}

#[tokio::test]
async fn a13_traffic_to_the_target_puts_the_end_off() {
    within(async {
        let association = restless().await;
        let target = socket("127.0.0.1").await;
        for _ in 0..2 {
            pass(15).await;
            association.say(&target, b"ping").await;
            association.reaches(&target, b"ping").await;
        }
        pass(20).await;
        ends_idle(association, (8, 0)).await;
    })
    .await;
}

#[tokio::test]
async fn a13_traffic_to_the_client_does_not_put_the_end_off() {
    within(async {
        let association = restless().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        for _ in 0..2 {
            pass(9).await;
            target.send_to(b"news", out).await.unwrap();
            association.hear(&target, b"news").await;
        }
        pass(3).await;
        ends_idle(association, (4, 12)).await;
    })
    .await;
}

#[tokio::test]
async fn a13_empty_datagrams_are_traffic() {
    within(async {
        let association = restless().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"").await;
        pass(11).await;
        association.say(&target, b"").await;
        association.reaches(&target, b"").await;
        pass(7).await;
        target.send_to(b"", out).await.unwrap();
        association.hear(&target, b"").await;
        pass(11).await;
        association.echo(&target, b"").await;
        pass(20).await;
        ends_idle(association, (0, 0)).await;
    })
    .await;
}

#[tokio::test]
async fn a13_what_is_dropped_does_not_put_the_end_off() {
    within(async {
        let association = restless().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        let (stranger, unasked) = (socket("127.0.0.2").await, socket("127.0.0.3").await);
        for _ in 0..3 {
            pass(5).await;
            let to = address(target.local_addr().unwrap());
            association.send(b"\0\0\0\x09garbage").await;
            association
                .send_from(&stranger, &datagram(0, &to, b"intrusion"))
                .await;
            unasked.send_to(b"unasked", out).await.unwrap();
            // Time for the association to look at it.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        pass(5).await;
        ends_idle(association, (4, 4)).await;
    })
    .await;
}

#[tokio::test]
async fn a13_associations_per_client_are_bounded() {
    within(async {
        let associate = Associate::new().per_client(2);
        let stack = stack(Connector::direct().with_associate(associate));
        let first = Association::new(stack.clone()).await;
        let second = Association::new(stack.clone()).await;
        let zeros = address(([0, 0, 0, 0], 0).into());
        for _ in 0..2 {
            let mut third = Client::new(stack.clone()).await;
            third.io.request(ASSOCIATE, &zeros).await;
            third.io.hear(&failure(2)).await;
            third.io.hear_end().await;
        }
        // Another client has places of its own.
        let other = Client::on("127.0.0.1:0", "127.0.0.1", "127.0.0.2", stack.clone()).await;
        let other = Association::of(other).await;

        first.lingering_close().await.unwrap();
        let third = Association::new(stack.clone()).await;
        let target = socket("127.0.0.1").await;
        for association in [&second, &third, &other] {
            association.echo(&target, b"ping").await;
        }
        let mut fourth = Client::new(stack).await;
        fourth.io.request(ASSOCIATE, &zeros).await;
        fourth.io.hear(&failure(2)).await;
    })
    .await;
}

#[tokio::test]
async fn a13_an_association_that_fails_to_open_takes_no_place() {
    within(async {
        let port = quiet_port();
        let taken = UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
        let associate = Associate::new().per_client(1).ports(port..=port);
        let stack = stack(Connector::direct().with_associate(associate));
        for _ in 0..2 {
            let mut client = Client::new(stack.clone()).await;
            let zeros = address(([0, 0, 0, 0], 0).into());
            client.io.request(ASSOCIATE, &zeros).await;
            client.io.hear(&failure(1)).await;
            client.io.hear_end().await;
        }
        drop(taken);
        let association = Association::new(stack).await;
        assert_eq!(association.relay.port(), port);
        association.echo(&socket("127.0.0.1").await, b"ping").await;
    })
    .await;
}

/// An association with paths of these options.
async fn with_transports(paths: MakeDirect) -> Association {
    let associate = Associate::with_transports(paths);
    Association::new(stack(Connector::direct().with_associate(associate))).await
}

#[tokio::test]
async fn a13_destinations_are_bounded() {
    within(async {
        let association = with_transports(MakeDirect::new().destinations(2)).await;
        let first = socket("127.0.0.1").await;
        let second = socket("127.0.0.2").await;
        let third = socket("127.0.0.3").await;
        let out = association.echo(&first, b"ping").await;
        for target in [&second, &first, &third] {
            association.echo(target, b"ping").await;
        }
        // The one that was not sent to for the longest time is forgotten.
        second.send_to(b"forgotten", out).await.unwrap();
        first.send_to(b"known", out).await.unwrap();
        association.hear(&first, b"known").await;
        // Until it is sent to once more.
        association.echo(&second, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a13_the_destination_that_makes_room_is_the_oldest_by_name_as_well() {
    within(async {
        let (resolver, _) = hosts(&[("second.example", &["127.0.0.2"])]);
        let paths = MakeDirect::new().destinations(2).resolver(resolver);
        let associate = Associate::with_transports(paths);
        let stack = stack(Connector::direct().with_associate(associate));
        let association = Association::new(stack).await;
        let first = socket("127.0.0.1").await;
        let second = socket("127.0.0.2").await;
        let out = association.echo(&first, b"ping").await;
        let by_name = name("second.example", second.local_addr().unwrap().port());
        association.send(&datagram(0, &by_name, b"ping")).await;
        association.reaches(&second, b"ping").await;
        // The first one is the latest again.
        association.echo(&first, b"ping").await;
        association.echo(&socket("127.0.0.3").await, b"ping").await;
        second.send_to(b"forgotten", out).await.unwrap();
        first.send_to(b"known", out).await.unwrap();
        association.hear(&first, b"known").await;
    })
    .await;
}

#[tokio::test]
async fn a13_bytes_are_counted_without_the_headers() {
    within(async {
        let association = Association::new(stack(Connector::direct())).await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        association.say(&target, &[1; 100]).await;
        let source = association.reaches(&target, &[1; 100]).await;
        association.send(&datagram(1, &to, &[2; 10])).await;
        association.send(&datagram(2 | 0x80, &to, &[2; 10])).await;
        association.reaches(&target, &[2; 20]).await;
        association.send(b"garbage").await;
        target.send_to(&[3; 5000], source).await.unwrap();
        association.hear(&target, &[3; 5000]).await;
        let traffic = association.lingering_close().await.unwrap();
        assert_eq!((traffic.up, traffic.down), (120, 5000));
    })
    .await;
}

/// The code of an association of a user at this address.
async fn opened(associate: &Associate, user: Option<&str>, from: &str) -> Result<impl Tunnel, u8> {
    let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    if let Some(user) = user {
        request.identity = Identity::named(user);
    }
    request.peer = SocketAddr::new(from.parse().unwrap(), 4000);
    request.local = ([127, 0, 0, 1], 1080).into();
    let outcome = associate.clone().oneshot(request).await;
    outcome.map_err(|error| {
        let refusal: &Refusal = error.downcast_ref().unwrap();
        refusal.code().0
    })
}

#[tokio::test]
async fn associations_are_counted_by_user_or_else_by_the_network_of_the_client() {
    within(async {
        let associate = Associate::new().per_client(1);
        let ask = |user, from: &'static str| opened(&associate, user, from);
        let joes = ask(Some("joe"), "192.0.2.1").await.unwrap();
        // From wherever he comes, and jane at the same address is not joe.
        assert_eq!(ask(Some("joe"), "198.51.100.1").await.err(), Some(2));
        let _janes = ask(Some("jane"), "192.0.2.1").await.unwrap();
        let _nobodys = ask(None, "192.0.2.1").await.unwrap();
        assert_eq!(ask(None, "192.0.2.1").await.err(), Some(2));
        // A /64 is one client.
        let _v6 = ask(None, "2001:db8::1").await.unwrap();
        assert_eq!(ask(None, "2001:db8::2:3").await.err(), Some(2));
        let _other = ask(None, "2001:db8:0:1::1").await.unwrap();
        // A client on a Unix socket.
        let _here = ask(None, "0.0.0.0").await.unwrap();
        assert_eq!(ask(None, "0.0.0.0").await.err(), Some(2));
        drop(joes);
        ask(Some("joe"), "198.51.100.1").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_full_range_refuses_without_a_place() {
    within(async {
        let port = quiet_port();
        let associate = Associate::new().per_client(1).ports(port..=port);
        let first = opened(&associate, Some("joe"), "192.0.2.1").await.unwrap();
        for _ in 0..3 {
            let refused = opened(&associate, Some("jane"), "192.0.2.1").await;
            assert_eq!(refused.err(), Some(1));
        }
        drop(first);
        let second = opened(&associate, Some("jane"), "192.0.2.1").await.unwrap();
        assert_eq!(second.bound().port(), port);
    })
    .await;
}
