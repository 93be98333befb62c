//! Sessions of datagrams, with clients that are not as they should be.

use std::net::SocketAddr;

use shadowsocks_example::{
    loopback::datagram_echo,
    server::{Bounds, serve_datagrams, stack},
};
use tokio::{net::UdpSocket, time::timeout};

use crate::{
    crafted::{Sealed, open, to},
    support::{Asked, JANE, JOE, NOBODY, SHORT, server, server_keys, soon},
};

/// A client with a socket of its own.
struct Peer(UdpSocket);

impl Peer {
    async fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server).await.unwrap();
        Self(socket)
    }

    async fn send(&self, user: &str, session: u64, number: u64, rest: &[u8]) {
        let sealed = Sealed {
            user,
            session,
            number,
            ahead: 0,
            rest,
        };
        self.0.send(&sealed.octets()).await.unwrap();
    }

    /// The session that was answered, and the payload.
    async fn hear(&self, user: &str) -> (u64, Vec<u8>) {
        let mut packet = vec![0; 2_048];
        let len = soon(self.0.recv(&mut packet)).await.unwrap();
        let (_, _, session, rest) = open(user, &packet[..len]);
        (session, rest[7..].to_vec())
    }

    async fn hears_nothing(&self) {
        let heard = timeout(SHORT, self.0.recv(&mut [0; 2_048])).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

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
async fn who_has_no_key_or_a_wrong_clock_hears_nothing() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let asked = Asked::default();
    let peer = Peer::new(server(&asked, &[]).await).await;
    let sealed = Sealed {
        user: JOE,
        session: 1,
        number: 0,
        ahead: 0,
        rest: &to(target, b"right"),
    };
    let right = sealed.octets();
    for len in 0..right.len() {
        peer.0.send(&right[..len]).await.unwrap();
    }
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        peer.0.send(&wrong).await.unwrap();
    }
    peer.send(NOBODY, 1, 0, &to(target, b"nobody")).await;
    for ahead in [-40, 40] {
        let sealed = Sealed { ahead, ..sealed };
        peer.0.send(&sealed.octets()).await.unwrap();
    }
    peer.0.send(&right).await.unwrap();
    assert_eq!(peer.hear(JOE).await, (1, b"right".to_vec()));
    peer.hears_nothing().await;
    assert_eq!(
        asked.take(),
        [format!("joe UDP ASSOCIATE {target} at 127.0.0.1")]
    );
}

#[tokio::test]
async fn an_address_that_ends_too_soon_costs_its_datagram_alone() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let peer = Peer::new(server(&Asked::default(), &[]).await).await;
    let mut number = 0;
    let mut named = vec![3, 9];
    named.extend(b"localhost");
    named.extend(target.port().to_be_bytes());
    let addressed = to(target, b"");
    let none: &[u8] = &[9, 1, 2, 3, 4, 5, 6, 7];
    for rest in [&named[..], &addressed, none] {
        for len in 0..rest.len() {
            peer.send(JANE, 1, number, &rest[..len]).await;
            number += 1;
        }
    }
    // A session of another user and the one of the same go on.
    peer.send(JOE, 2, 0, &to(target, b"other")).await;
    assert_eq!(peer.hear(JOE).await, (2, b"other".to_vec()));
    named.extend(b"whole");
    peer.send(JANE, 1, number, &named).await;
    assert_eq!(peer.hear(JANE).await, (1, b"whole".to_vec()));
    peer.hears_nothing().await;
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
