//! B1, B2, B4, B5: what the two replies say and when, and when the listener is gone.

use std::{io, mem::MaybeUninit, time::Duration};

use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixStream},
};
use tower::ServiceExt;
use tower_socks::{Connector, connector::bind::Bind, session::Accepted};

use crate::support::{
    Script, failure, has_ipv6,
    udp::{
        BIND, Client, ClientScript,
        binding::{
            assert_refused, assert_turned_away, connect_at_once, connects, dst, ends_with,
            requested,
        },
        connect_from, name, pass,
        policies::hosts,
        quiet_port, stack, within,
    },
};

#[tokio::test]
async fn b1_bnd_can_be_reached_when_the_first_reply_comes() {
    within(async {
        for (listen, to) in [("0.0.0.0:0", "127.0.0.1"), ("127.0.0.3:0", "127.0.0.3")] {
            let stack = stack(Connector::direct());
            let mut client = Client::on(listen, to, "127.0.0.1", stack).await;
            // Nobody says who will come.
            client.io.request(BIND, &dst("0.0.0.0")).await;
            let bound = client.io.bound().await;
            assert_eq!(bound.ip().to_string(), to);
            // The server gets no turn in between: it listens already.
            let peer = connect_at_once(bound);
            connects(&mut client, peer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn b1_bnd_is_of_the_family_of_the_peer() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let mut client = requested(Bind::new(), &dst("::1")).await;
        let bound = client.io.bound().await;
        assert_eq!(bound.ip().to_string(), "::1");
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;

        // A name with both kinds of addresses can come by the way on which the client did.
        let (resolver, _) = hosts(&[("peer.example", &["::1", "127.0.0.1"])]);
        let peer = name("peer.example", 20);
        let mut client = requested(Bind::new().resolver(resolver), &peer).await;
        let bound = client.io.bound().await;
        assert_eq!(bound.ip().to_string(), "127.0.0.1");
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;
    })
    .await;
}

#[tokio::test]
async fn b1_a_client_on_a_unix_socket_is_on_this_machine() {
    within(async {
        for expected in ["0.0.0.0", "127.0.0.1"] {
            let nowhere = ([0, 0, 0, 0], 0).into();
            let (mut client, near) = UnixStream::pair().unwrap();
            let accepted = Accepted::new(near, nowhere, nowhere);
            tokio::spawn(stack(Connector::direct()).oneshot(accepted));
            client.request(BIND, &dst(expected)).await;
            let bound = client.bound().await;
            assert_eq!(bound.ip().to_string(), "127.0.0.1");
            let mut peer = TcpStream::connect(bound).await.unwrap();
            peer.say(b"hello").await;
            assert_eq!(client.bound().await, peer.local_addr().unwrap());
            client.hear(b"hello").await;
        }
    })
    .await;
}

#[tokio::test]
async fn b1_a_public_address_is_told_instead() {
    within(async {
        let public = [203, 0, 113, 7].into();
        let bind = Bind::new().public_address(public);
        let mut client = requested(bind, &dst("127.0.0.1")).await;
        let mut bound = client.io.bound().await;
        assert_eq!(bound.ip(), public);
        bound.set_ip([127, 0, 0, 1].into());
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;
    })
    .await;
}

#[tokio::test]
async fn b1_ports_come_from_the_range_and_all_taken_is_01() {
    within(async {
        let port = quiet_port();
        let bind = Bind::new().ports(port..=port);
        let mut first = requested(bind.clone(), &dst("127.0.0.1")).await;
        let bound = first.io.bound().await;
        assert_eq!(bound.port(), port);

        let mut second = requested(bind.clone(), &dst("127.0.0.1")).await;
        second.io.hear(&failure(1)).await;
        second.io.hear_end().await;

        // The listener is gone with its peer, and the port is free again, although a connection
        // of the first one is still there.
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut first, peer).await;
        let mut third = requested(bind, &dst("127.0.0.1")).await;
        assert_eq!(third.io.bound().await, bound);
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut third, peer).await;
        drop(first);
    })
    .await;
}

#[tokio::test]
async fn b2_the_second_reply_names_the_peer_and_then_bytes_go_both_ways() {
    within(async {
        let mut client = requested(Bind::new(), &dst("127.0.0.2")).await;
        let bound = client.io.bound().await;
        let mut peer = connect_from("127.0.0.2", bound).await.unwrap();
        // Written out: ATYP 01, and the peer's address and port.
        let port = peer.local_addr().unwrap().port().to_be_bytes();
        client.io.hear(b"\x05\x00\x00\x01\x7f\x00\x00\x02").await;
        client.io.hear(&port).await;
        peer.say(b"220 hello").await;
        client.io.hear(b"220 hello").await;
        client.io.say(b"QUIT").await;
        peer.hear(b"QUIT").await;

        client.io.shutdown().await.unwrap();
        peer.hear_end().await;
        peer.say(b"221 bye").await;
        drop(peer);
        client.io.hear(b"221 bye").await;
        client.io.hear_end().await;
        let traffic = client.lingering_close().await.unwrap();
        assert_eq!((traffic.up, traffic.down), (4, 16));
    })
    .await;
}

#[tokio::test]
async fn b2_the_second_reply_waits_for_the_peer() {
    within(async {
        let mut client = requested(Bind::new(), &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        pass(30).await;
        // The server has had its turn once the stranger knows.
        let stranger = connect_from("127.0.0.2", bound).await.unwrap();
        assert_turned_away(stranger).await;
        let mut room = [MaybeUninit::uninit(); 1];
        let nothing = SockRef::from(&client.io).recv(&mut room).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;
    })
    .await;
}

#[tokio::test]
async fn b2_what_the_client_says_before_the_second_reply_goes_first() {
    within(async {
        let mut client = Client::new(stack(Connector::direct())).await;
        let request = [&b"\x05\x02\x00"[..], &dst("127.0.0.1"), b"one "].concat();
        client.io.say(b"\x05\x01\x00").await;
        client.io.say(&request).await;
        client.io.hear(b"\x05\x00").await;
        let bound = client.io.bound().await;
        client.io.say(b"two ").await;
        let mut peer = TcpStream::connect(bound).await.unwrap();
        assert_eq!(client.io.bound().await, peer.local_addr().unwrap());
        client.io.say(b"three").await;
        peer.hear(b"one two three").await;
    })
    .await;
}

#[tokio::test]
async fn b4_after_one_peer_the_listener_is_gone() {
    within(async {
        let mut client = requested(Bind::new(), &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        // Both wait in the queue before the server has its turn.
        let peer = connect_at_once(bound);
        let next = connect_at_once(bound);
        connects(&mut client, peer).await;
        assert_refused(bound).await;
        assert_turned_away(next).await;
    })
    .await;
}

#[tokio::test]
async fn b5_the_end_of_the_client_ends_the_listener() {
    within(async {
        let mut client = requested(Bind::new(), &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        client.io.shutdown().await.unwrap();
        ends_with(client, 1, bound).await;
    })
    .await;
}

#[tokio::test]
async fn b5_a_client_that_closes_or_is_lost_ends_the_listener() {
    within(async {
        let mut client = requested(Bind::new(), &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        assert!(client.lingering_close().await.is_err());
        assert_refused(bound).await;

        let mut client = requested(Bind::new(), &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        assert!(client.reset().await.is_err());
        assert_refused(bound).await;
    })
    .await;
}

#[tokio::test]
async fn b5_a_peer_that_does_not_come_in_time_is_06() {
    within(async {
        let bind = Bind::new().accept_timeout(Duration::from_secs(20));
        let mut client = requested(bind, &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        pass(15).await;
        // Strangers do not make the time any longer.
        let stranger = connect_from("127.0.0.2", bound).await.unwrap();
        assert_turned_away(stranger).await;
        assert!(!client.is_over());
        pass(5).await;
        ends_with(client, 6, bound).await;
    })
    .await;
}
