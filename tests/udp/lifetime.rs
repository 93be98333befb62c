//! A1 to A3, A5, A8, A15: the life of an association, and what comes back.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::{UdpSocket, UnixStream},
    time::Instant,
};
use tower::ServiceExt;
use tower_socks::{Connector, connector::associate::Associate, session::Accepted};

use crate::support::{
    Script, has_ipv6,
    udp::{
        ASSOCIATE, Client, ClientScript, address,
        association::{Association, assert_same, assert_silent, datagram, receive, socket},
        name, stack, within,
    },
};

/// An association with the defaults, on 127.0.0.1.
async fn association() -> Association {
    Association::new(stack(Connector::direct())).await
}

/// The socket of an association is closed.
async fn assert_gone(relay: SocketAddr) {
    UdpSocket::bind(relay).await.expect("the port is free");
}

#[tokio::test]
async fn a1_dst_is_never_a_destination() {
    within(async {
        let elsewhere = socket("127.0.0.2").await;
        let mut control = Client::new(stack(Connector::direct())).await;
        let dst = address(elsewhere.local_addr().unwrap());
        control.io.request(ASSOCIATE, &dst).await;
        let relay = control.io.bound().await;
        let udp = socket("127.0.0.1").await;
        let association = Association {
            control,
            udp,
            relay,
        };

        // The client does not even send from there.
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"one").await;
        association.echo(&target, b"two").await;
        assert_silent(&elsewhere);
    })
    .await;
}

#[tokio::test]
async fn a1_dst_may_be_a_name_or_of_the_other_family() {
    within(async {
        for dst in [
            name("client.example", 4000),
            address("[2001:db8::1]:4000".parse().unwrap()),
            address("[::]:0".parse().unwrap()),
        ] {
            let mut control = Client::new(stack(Connector::direct())).await;
            control.io.request(ASSOCIATE, &dst).await;
            assert_eq!(control.io.bound().await.ip().to_string(), "127.0.0.1");
        }
    })
    .await;
}

#[tokio::test]
async fn a2_the_association_ends_with_its_connection() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        let relay = association.relay;

        let closed = Instant::now();
        let traffic = association.lingering_close().await.unwrap();
        assert!(closed.elapsed() < Duration::from_secs(10));
        assert_eq!((traffic.up, traffic.down), (4, 4));
        assert_gone(relay).await;
        assert_gone(SocketAddr::new([127, 0, 0, 1].into(), out.port())).await;
    })
    .await;
}

#[tokio::test]
async fn a2_the_association_ends_with_a_reset() {
    within(async {
        let association = association().await;
        let relay = association.relay;
        let closed = Instant::now();
        association.control.reset().await.unwrap();
        assert!(closed.elapsed() < Duration::from_secs(10));
        assert_gone(relay).await;
    })
    .await;
}

#[tokio::test]
async fn a2_what_the_client_says_on_the_connection_means_nothing() {
    within(async {
        let mut association = association().await;
        let target = socket("127.0.0.1").await;
        association.control.io.say(&[5; 3000]).await;
        association.echo(&target, b"ping").await;
        association.control.io.say(b"more").await;
        association.echo(&target, b"ping").await;
        assert!(!association.control.is_over());
    })
    .await;
}

#[tokio::test]
async fn a3_bnd_is_where_the_client_has_to_send() {
    within(async {
        // A server on all addresses tells each client the one on which it was reached.
        for (listen, to) in [
            ("0.0.0.0:0", "127.0.0.1"),
            ("0.0.0.0:0", "127.0.0.3"),
            ("127.0.0.2:0", "127.0.0.2"),
        ] {
            let stack = stack(Connector::direct());
            let client = Client::on(listen, to, "127.0.0.1", stack).await;
            let association = Association::of(client).await;
            assert_eq!(association.relay.ip().to_string(), to);
            assert_ne!(association.relay.port(), 0);
            let target = socket("127.0.0.1").await;
            association.echo(&target, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a3_a_client_over_ipv6_is_told_an_ipv6_address() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let stack = stack(Connector::direct());
        let client = Client::on("[::]:0", "::1", "::1", stack.clone()).await;
        let over_v6 = Association::of(client).await;
        assert_eq!(over_v6.relay.ip().to_string(), "::1");
        over_v6.echo(&socket("::1").await, b"ping").await;
        over_v6.echo(&socket("127.0.0.1").await, b"ping").await;

        // One of IPv4 on the same socket, where its address looks like one of IPv6.
        let client = Client::on("[::]:0", "127.0.0.1", "127.0.0.1", stack).await;
        let over_v4 = Association::of(client).await;
        assert_eq!(over_v4.relay.ip().to_string(), "127.0.0.1");
        over_v4.echo(&socket("127.0.0.1").await, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a3_a_public_address_is_told_instead() {
    within(async {
        let public = [203, 0, 113, 7].into();
        let associate = Associate::new().public_address(public);
        let stack = stack(Connector::direct().with_associate(associate));
        let mut association = Association::new(stack).await;
        assert_eq!(association.relay.ip(), public);
        association.relay.set_ip([127, 0, 0, 1].into());
        association.echo(&socket("127.0.0.1").await, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a3_a_client_on_a_unix_socket_is_on_this_machine() {
    within(async {
        let nowhere = ([0, 0, 0, 0], 0).into();
        let (mut control, near) = UnixStream::pair().unwrap();
        let accepted = Accepted::new(near, nowhere, nowhere);
        let session = tokio::spawn(stack(Connector::direct()).oneshot(accepted));
        control.request(ASSOCIATE, &address(nowhere)).await;
        let relay = control.bound().await;
        assert_eq!(relay.ip().to_string(), "127.0.0.1");

        let (udp, target) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let to = address(target.local_addr().unwrap());
        udp.send_to(&datagram(0, &to, b"ping"), relay)
            .await
            .unwrap();
        let (heard, source) = receive(&target).await;
        assert_same(&heard, b"ping");
        target.send_to(b"pong", source).await.unwrap();
        assert_same(&receive(&udp).await.0, &datagram(0, &to, b"pong"));

        drop(control);
        let traffic = session.await.unwrap().unwrap();
        assert_eq!((traffic.up, traffic.down), (4, 4));
    })
    .await;
}

#[tokio::test]
async fn a5_answers_carry_their_true_source() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        // From another port of the same host.
        let sibling = socket("127.0.0.1").await;
        sibling.send_to(b"unasked", out).await.unwrap();
        association.hear(&sibling, b"unasked").await;
        if has_ipv6() {
            association.echo(&socket("::1").await, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a8_empty_payloads_pass() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        for payload in [&b""[..], b"x", b"", b""] {
            association.echo(&target, payload).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a15_both_families_on_one_association() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let association = association().await;
        let (v4, v6) = (socket("127.0.0.1").await, socket("::1").await);
        for payload in [&b"one"[..], b"two", b"three"] {
            association.echo(&v4, payload).await;
            association.echo(&v6, payload).await;
        }
        // An IPv4 address in the clothes of IPv6 is one of IPv4.
        let port = v4.local_addr().unwrap().port();
        let mapped = format!("[::ffff:127.0.0.1]:{port}").parse().unwrap();
        association
            .send(&datagram(0, &address(mapped), b"mapped"))
            .await;
        let source = association.reaches(&v4, b"mapped").await;
        v4.send_to(b"answer", source).await.unwrap();
        association.hear(&v4, b"answer").await;
    })
    .await;
}
