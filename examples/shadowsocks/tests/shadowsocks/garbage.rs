//! Datagrams of clients that have no key, and of those that send what no client would.

use shadowsocks_example::loopback::datagram_echo;

use crate::{
    crafted::{Sealed, to},
    peer::Peer,
    support::{Asked, JANE, JOE, NOBODY, server},
};

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
    let shorter = (0..right.len()).map(|len| right[..len].to_vec());
    let changed = (0..right.len()).map(|at| {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        wrong
    });
    for (number, wrong) in shorter.chain(changed).enumerate() {
        peer.0.send(&wrong).await.unwrap();
        // No more than there is room for in a socket.
        if number % 32 == 0 {
            peer.send(JANE, 2, number as u64, &to(target, b"room"))
                .await;
            assert_eq!(peer.hear(JANE).await, (2, b"room".to_vec()));
        }
    }
    peer.send(NOBODY, 1, 0, &to(target, b"nobody")).await;
    for ahead in [-40, 40] {
        let sealed = Sealed { ahead, ..sealed };
        peer.0.send(&sealed.octets()).await.unwrap();
    }
    peer.0.send(&right).await.unwrap();
    assert_eq!(peer.hear(JOE).await, (1, b"right".to_vec()));
    peer.hears_nothing().await;
    let expected =
        ["jane", "joe"].map(|user| format!("{user} UDP ASSOCIATE {target} at 127.0.0.1"));
    assert_eq!(asked.take(), expected);
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
