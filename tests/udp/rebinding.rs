//! Names that change their minds, as peers of BIND and as destinations of datagrams.

use std::sync::atomic::Ordering;

use tokio::net::{TcpStream, UdpSocket};
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, Rules,
    connector::{
        associate::{Associate, MakeDirect},
        bind::Bind,
        resolve::Resolve,
    },
};

use crate::support::{
    resolvers::answering,
    udp::{
        BIND, Client, ClientScript,
        association::{Association, assert_silent, datagram, socket},
        binding::{assert_turned_away, connects, ends_with},
        connect_from, name, pass, stack, within,
    },
};

/// 127.0.0.1 is as good as public, and every other special-purpose address is not.
fn rules() -> Rules {
    toml::from_str("default = \"allow\"\nrules = [{ action = \"allow\", to = \"127.0.0.1\" }]")
        .unwrap()
}

async fn associated<R: Resolve + Sync>(resolver: R) -> Association {
    let paths = MakeDirect::new().resolver(resolver);
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    Association::new(stack(AclLayer::new(rules()).layer(connector))).await
}

/// A client right behind its request for a peer by name.
async fn bind<R: Resolve + Sync>(resolver: R) -> Client {
    let connector = Connector::direct().with_bind(Bind::new().resolver(resolver));
    let mut client = Client::new(stack(AclLayer::new(rules()).layer(connector))).await;
    client.io.request(BIND, &name("fickle.example", 20)).await;
    client
}

/// Sockets at one port of 127.0.0.1, which is allowed, and of 127.0.0.2, which is not.
async fn both() -> (UdpSocket, UdpSocket) {
    loop {
        let allowed = socket("127.0.0.1").await;
        if let Ok(forbidden) = UdpSocket::bind(("127.0.0.2", port(&allowed))).await {
            return (allowed, forbidden);
        }
    }
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// An answer is forgotten after a minute.
async fn forget() {
    for seconds in [20, 20, 21] {
        pass(seconds).await;
    }
}

#[tokio::test]
async fn a_new_answer_is_judged_anew() {
    within(async {
        let (allowed, forbidden) = both().await;
        let (resolver, asked) = answering(&[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]]);
        let association = associated(resolver).await;
        let fickle = name("fickle.example", port(&allowed));
        for payload in [&b"one"[..], b"two"] {
            association.send(&datagram(0, &fickle, payload)).await;
            let source = association.reaches(&allowed, payload).await;
            allowed.send_to(b"answer", source).await.unwrap();
            association.hear(&allowed, b"answer").await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        forget().await;
        association.send(&datagram(0, &fickle, b"lost")).await;
        association.echo(&allowed, b"ping").await;
        association.send(&datagram(0, &fickle, b"lost")).await;
        association.echo(&allowed, b"ping").await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);

        // That there was none is forgotten sooner.
        pass(6).await;
        association.send(&datagram(0, &fickle, b"three")).await;
        association.reaches(&allowed, b"three").await;
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        assert_silent(&forbidden);
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_that_of_one_association_and_one_port() {
    within(async {
        let (allowed, forbidden) = both().await;
        let (resolver, asked) = answering(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let first = associated(resolver.clone()).await;
        let second = associated(resolver).await;
        let fickle = name("fickle.example", port(&allowed));
        first.send(&datagram(0, &fickle, b"one")).await;
        first.reaches(&allowed, b"one").await;
        second.send(&datagram(0, &fickle, b"lost")).await;
        second.echo(&allowed, b"ping").await;
        // Another port is another question, and now the answer is another one.
        let other = socket("127.0.0.2").await;
        let elsewhere = name("fickle.example", port(&other));
        first.send(&datagram(0, &elsewhere, b"lost")).await;
        first.send(&datagram(0, &fickle, b"two")).await;
        first.reaches(&allowed, b"two").await;
        first.echo(&allowed, b"ping").await;
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        assert_silent(&forbidden);
        assert_silent(&other);
    })
    .await;
}

#[tokio::test]
async fn of_a_mixed_answer_only_the_allowed_address_is_sent_to() {
    within(async {
        for answer in [
            &["127.0.0.1", "127.0.0.2"][..],
            &["127.0.0.2", "127.0.0.1"],
            &["::ffff:127.0.0.2", "::ffff:127.0.0.1"],
            &["64:ff9b::127.0.0.2", "0.0.0.0", "127.0.0.2", "127.0.0.1"],
            &["224.0.0.1", "255.255.255.255", "::", "127.0.0.1"],
            &["169.254.169.254", "::1", "10.0.0.1", "127.0.0.1"],
        ] {
            let (allowed, forbidden) = both().await;
            let (resolver, asked) = answering(&[answer]);
            let association = associated(resolver).await;
            let mixed = name("fickle.example", port(&allowed));
            for payload in [&b"one"[..], b"two"] {
                association.send(&datagram(0, &mixed, payload)).await;
                let source = association.reaches(&allowed, payload).await;
                allowed.send_to(b"answer", source).await.unwrap();
                association.hear(&allowed, b"answer").await;
            }
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{answer:?}");
            assert_silent(&forbidden);
            let traffic = association.lingering_close().await.unwrap();
            assert_eq!(traffic.down, 12);
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_with_nothing_but_forbidden_addresses_is_sent_nothing() {
    within(async {
        let (allowed, forbidden) = both().await;
        for answer in [
            &["127.0.0.2"][..],
            &["::ffff:127.0.0.2"],
            &["64:ff9b::127.0.0.2"],
            &["0.0.0.0", "::", "127.0.0.2"],
            &[],
        ] {
            let (resolver, asked) = answering(&[answer]);
            let association = associated(resolver).await;
            let inside = name("fickle.example", port(&forbidden));
            association.send(&datagram(0, &inside, b"lost")).await;
            association.echo(&allowed, b"ping").await;
            association.send(&datagram(0, &inside, b"lost")).await;
            association.echo(&allowed, b"pong").await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{answer:?}");
        }
        assert_silent(&forbidden);
    })
    .await;
}

#[tokio::test]
async fn the_peer_of_a_bind_is_one_of_the_first_answer() {
    within(async {
        let (resolver, asked) = answering(&[&["127.0.0.1"], &["127.0.0.3"]]);
        let mut client = bind(resolver).await;
        let bound = client.io.bound().await;
        for stranger in ["127.0.0.3", "127.0.0.2"] {
            let stranger = connect_from(stranger, bound).await.unwrap();
            assert_turned_away(stranger).await;
        }
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    })
    .await;
}

#[tokio::test]
async fn the_peer_of_a_bind_is_judged_by_its_address() {
    within(async {
        for answer in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]] {
            let mut client = bind(answering(&[&answer]).0).await;
            let bound = client.io.bound().await;
            let peer = TcpStream::connect(bound).await.unwrap();
            connects(&mut client, peer).await;

            let mut client = bind(answering(&[&answer]).0).await;
            let bound = client.io.bound().await;
            let peer = connect_from("127.0.0.2", bound).await.unwrap();
            assert_turned_away(peer).await;
            ends_with(client, 2, bound).await;
        }
    })
    .await;
}
