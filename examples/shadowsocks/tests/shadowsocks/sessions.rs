//! Sessions of datagrams at the server, octet by octet.

use std::time::Duration;

use shadowsocks_example::{
    loopback::datagram_echo,
    server::{Bounds, serve_datagrams, stack},
};
use tokio::{net::UdpSocket, sync::mpsc};
use tower::Layer;
use tower_socks::{TunnelExt, layer::request_fn::request_fn};

use crate::{
    crafted::{open, to},
    peer::Peer,
    support::{Asked, JANE, JOE, server, server_keys, soon},
};

#[tokio::test]
async fn a_datagram_is_sent_once() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let peer = Peer::new(server(&Asked::default(), &[]).await).await;
    for (number, payload) in [
        (7, "seven"),
        (7, "again"),
        (6, "six"),
        (7, "again"),
        (8, "eight"),
    ] {
        peer.send(JOE, 1, number, &to(target, payload.as_bytes()))
            .await;
    }
    // The number of another session.
    peer.send(JOE, 2, 7, &to(target, b"other")).await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(peer.hear(JOE).await);
    }
    heard.sort();
    let expected = [(1, "eight"), (1, "seven"), (1, "six"), (2, "other")];
    assert_eq!(
        heard,
        expected.map(|(session, text)| (session, text.as_bytes().to_vec()))
    );
    peer.hears_nothing().await;
}

#[tokio::test]
async fn the_server_counts_its_datagrams_in_a_session_of_its_own() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let peer = Peer::new(server(&Asked::default(), &[]).await).await;
    let mut packet = vec![0; 2_048];
    let mut sessions = Vec::new();
    for number in 0..3 {
        peer.send(JOE, 5, number, &to(target, b"count")).await;
        let len = soon(peer.0.recv(&mut packet)).await.unwrap();
        let (session, count, of, rest) = open(JOE, &packet[..len]);
        assert_eq!((count, of), (number, 5));
        assert_eq!(rest, to(target, b"count"));
        sessions.push(session);
    }
    assert!(
        sessions
            .iter()
            .all(|session| *session == sessions[0] && *session != 5)
    );
}

#[tokio::test]
async fn a_session_follows_its_client_to_another_port() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let asked = Asked::default();
    let server = server(&asked, &[]).await;
    let (before, after) = (Peer::new(server).await, Peer::new(server).await);
    before.send(JOE, 1, 0, &to(target, b"before")).await;
    assert_eq!(before.hear(JOE).await.1, b"before");
    after.send(JOE, 1, 1, &to(target, b"after")).await;
    assert_eq!(after.hear(JOE).await.1, b"after");
    // Somebody who has only recorded a datagram does not take the session over.
    before.send(JOE, 1, 0, &to(target, b"before")).await;
    after.send(JOE, 1, 2, &to(target, b"still here")).await;
    assert_eq!(after.hear(JOE).await.1, b"still here");
    before.hears_nothing().await;
    // It is one association: the policy was asked once about the one destination.
    assert_eq!(
        asked.take(),
        [format!("joe UDP ASSOCIATE {target} at 127.0.0.1")]
    );
}

#[tokio::test]
async fn sessions_are_bounded_for_each_user_and_in_all() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::new(socket.local_addr().unwrap()).await;
    let bounds = Bounds {
        sessions: 3,
        per_user: 2,
    };
    let stack = stack(Asked::default().refusing([]));
    tokio::spawn(serve_datagrams(socket, server_keys(), bounds, stack));
    for session in 1..=4 {
        peer.send(JOE, session, 0, &to(target, b"joe's")).await;
    }
    let mut heard = [peer.hear(JOE).await.0, peer.hear(JOE).await.0];
    heard.sort_unstable();
    assert_eq!(heard, [1, 2]);
    peer.hears_nothing().await;
    for session in 1..=2 {
        peer.send(JANE, session, 0, &to(target, b"jane's")).await;
    }
    assert_eq!(peer.hear(JANE).await.0, 1);
    peer.hears_nothing().await;
    // Those that are open go on.
    peer.send(JOE, 2, 1, &to(target, b"joe's")).await;
    assert_eq!(peer.hear(JOE).await.0, 2);
}

/// What a session has moved is counted where any tunnel's octets are, and a datagram after its end opens another.
#[tokio::test]
async fn a_session_ends_in_silence_and_is_opened_again() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::new(socket.local_addr().unwrap()).await;
    let (ended, mut ends) = mpsc::unbounded_channel();
    let notes = request_fn(async move |request, next| {
        let tunnel = next.run(request).await?;
        Ok(tunnel.on_close(move |outcome| drop(ended.send(format!("{outcome:?}")))))
    });
    let stack = notes.layer(stack(Asked::default().refusing([])));
    tokio::spawn(serve_datagrams(
        socket,
        server_keys(),
        Bounds::default(),
        stack,
    ));
    let mut answered = Vec::new();
    for number in [0, 1] {
        peer.send(JOE, 1, number, &to(target, b"payload")).await;
        let mut packet = vec![0; 2_048];
        let len = soon(peer.0.recv(&mut packet)).await.unwrap();
        answered.push(open(JOE, &packet[..len]).0);

        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(301)).await;
        let how = ends.recv().await.unwrap();
        assert!(
            how.contains("Idle") && how.contains("up: 7, down: 7"),
            "{how}"
        );
        tokio::time::resume();
    }
    assert_ne!(answered[0], answered[1]);
    // Its numbers are remembered beyond its end.
    peer.send(JOE, 1, 1, &to(target, b"again")).await;
    peer.hears_nothing().await;
}
