//! Servers whose connector goes through another server, with our client in front, over real sockets.

use std::net::SocketAddr;

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::Layer;
use tower_socks::{
    AclLayer, Client, ClientError, Connector, NoAuth, UserPass, Users,
    client::ClientFault,
    connector::upstream::Socks5Upstream,
    proto::{Address, Credentials, ReplyCode},
    session::Check,
};

use crate::support::{
    Script, proxy,
    sockets::closed_port,
    stack,
    upstream::{Asked, Diary},
    within,
};

/// A server that wants a password, and one that goes through it and asks `policy`.
async fn through(policy: Diary) -> SocketAddr {
    let users: Users = [("joe", "secret")].into_iter().collect();
    let inner = proxy(stack(UserPass::new(users), Connector::direct())).await;
    let client = Client::new().credentials(Credentials::new("joe", "secret").unwrap());
    let upstream = Socks5Upstream::new(inner).client(client.optimistic());
    let connector = AclLayer::new(policy).layer(Connector::upstream(upstream));
    proxy(stack(NoAuth, connector)).await
}

async fn open(proxy: SocketAddr) -> TcpStream {
    TcpStream::connect(proxy).await.unwrap()
}

#[tokio::test]
async fn connect_goes_through_and_codes_come_back() {
    within(async {
        let outer = through(Diary::default()).await;
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = target.local_addr().unwrap();
        let mut stream = Client::new()
            .connect(open(outer).await, address)
            .await
            .unwrap();
        let (mut accepted, peer) = target.accept().await.unwrap();
        // The address of the last proxy in the row.
        assert_eq!(*stream.bound(), Address::Ip(peer));
        stream.say(b"ping").await;
        accepted.hear(b"ping").await;
        accepted.say(b"pong").await;
        accepted.shutdown().await.unwrap();
        stream.hear(b"pong").await;
        stream.hear_end().await;

        let (port, _reserved) = closed_port();
        let nobody = Address::new("localhost", port).unwrap();
        let error = Client::new()
            .connect(open(outer).await, nobody)
            .await
            .unwrap_err();
        assert_eq!(
            error.fault(),
            ClientFault::Target(ReplyCode::CONNECTION_REFUSED)
        );
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_lets_us_not_in_is_no_fault_of_the_target() {
    within(async {
        let users: Users = [("joe", "secret")].into_iter().collect();
        let inner = proxy(stack(UserPass::new(users), Connector::direct())).await;
        let outer = proxy(stack(
            NoAuth,
            Connector::upstream(Socks5Upstream::new(inner)),
        ))
        .await;
        let target: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let error = Client::new()
            .connect(open(outer).await, target)
            .await
            .unwrap_err();
        assert_eq!(
            error.fault(),
            ClientFault::Target(ReplyCode::GENERAL_FAILURE)
        );
        let error = Client::new()
            .bind(open(outer).await, target)
            .await
            .unwrap_err();
        assert_eq!(
            error.fault(),
            ClientFault::Target(ReplyCode::GENERAL_FAILURE)
        );
        let error = Client::new()
            .associate(open(outer).await)
            .await
            .unwrap_err();
        assert_eq!(
            error.fault(),
            ClientFault::Target(ReplyCode::GENERAL_FAILURE)
        );
    })
    .await;
}

#[tokio::test]
async fn bind_goes_through_with_both_replies() {
    within(async {
        let policy = Diary::default();
        let outer = through(policy.clone()).await;
        let expected: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = Client::new()
            .bind(open(outer).await, expected)
            .await
            .unwrap();
        let mut peer = TcpStream::connect(listener.bound().to_string())
            .await
            .unwrap();
        let (mut stream, address) = listener.accept().await.unwrap();
        let came = peer.local_addr().unwrap();
        assert_eq!(address, Address::Ip(came));
        assert_eq!(
            policy.asked(),
            [Asked::Stated("127.0.0.1:0".into()), Asked::Address(came)]
        );
        peer.say(b"220 hello").await;
        stream.hear(b"220 hello").await;
        stream.say(b"bye").await;
        stream.shutdown().await.unwrap();
        peer.hear(b"bye").await;
        peer.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a_forbidden_peer_is_refused_in_the_second_reply() {
    within(async {
        let policy = |_: &tower_socks::Request, check: Check| match check {
            Check::Address(_) => Err(tower_socks::Refusal::not_allowed("no peers")),
            Check::Stated | Check::Name => Ok(()),
        };
        let inner = proxy(stack(NoAuth, Connector::direct())).await;
        let connector =
            AclLayer::new(policy).layer(Connector::upstream(Socks5Upstream::new(inner)));
        let outer = proxy(stack(NoAuth, connector)).await;
        let expected: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = Client::new()
            .bind(open(outer).await, expected)
            .await
            .unwrap();
        let mut peer = TcpStream::connect(listener.bound().to_string())
            .await
            .unwrap();
        let error = listener.accept().await.unwrap_err();
        assert!(matches!(
            error,
            ClientError::Refused(ReplyCode::NOT_ALLOWED)
        ));
        peer.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_listener_with_it() {
    within(async {
        let outer = through(Diary::default()).await;
        let expected: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = Client::new()
            .bind(open(outer).await, expected)
            .await
            .unwrap();
        let bound = listener.bound().to_string();
        drop(listener);
        while TcpStream::connect(&bound).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn datagrams_go_through_and_each_destination_is_asked_about_once() {
    within(async {
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let forbidden = other.local_addr().unwrap();
        let policy = Diary::refusing([Asked::Address(forbidden)]);
        let outer = through(policy.clone()).await;
        let mut socket = Client::new().associate(open(outer).await).await.unwrap();
        let address = target.local_addr().unwrap();
        let mut room = [0; 64];
        for _ in 0..3 {
            socket
                .send_to(b"no", &Address::Ip(forbidden))
                .await
                .unwrap();
            socket
                .send_to(b"ping", &Address::Ip(address))
                .await
                .unwrap();
            let (len, source) = target.recv_from(&mut room).await.unwrap();
            assert_eq!(&room[..len], b"ping");
            target.send_to(b"pong", source).await.unwrap();
            let (len, from) = socket.recv_from(&mut room).await.unwrap();
            assert_eq!((&room[..len], from), (&b"pong"[..], Address::Ip(address)));
        }
        assert!(other.try_recv(&mut room).is_err());
        let asked = policy.asked();
        for address in [address, forbidden] {
            let times = asked.iter().filter(|it| **it == Asked::Address(address));
            assert_eq!(times.count(), 1, "{asked:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn names_of_datagrams_are_handed_on_if_they_may_be() {
    within(async {
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = target.local_addr().unwrap().port();
        let forbidden = format!("forbidden.localhost:{port}");
        let policy = Diary::refusing([Asked::Name(forbidden.clone())]);
        let outer = through(policy.clone()).await;
        let mut socket = Client::new().associate(open(outer).await).await.unwrap();
        socket.send_to(b"no", &forbidden).await.unwrap();
        let localhost = Address::new("localhost", port).unwrap();
        let mut room = [0; 64];
        socket.send_to(b"ping", &localhost).await.unwrap();
        let (len, _) = target.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..len], b"ping");
        let asked = policy.asked();
        assert!(asked.contains(&Asked::Name(forbidden)), "{asked:?}");
        assert!(
            asked.contains(&Asked::Name(format!("localhost:{port}"))),
            "{asked:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn where_names_are_resolved_here_datagrams_to_names_are_dropped() {
    within(async {
        let inner = proxy(stack(NoAuth, Connector::direct())).await;
        let upstream = Socks5Upstream::new(inner)
            .local_dns(crate::support::upstream::resolver(&["127.0.0.1"]));
        let outer = proxy(stack(NoAuth, Connector::upstream(upstream))).await;
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = target.local_addr().unwrap();
        let mut socket = Client::new().associate(open(outer).await).await.unwrap();
        let localhost = Address::new("localhost", address.port()).unwrap();
        socket.send_to(b"no", &localhost).await.unwrap();
        socket.send_to(b"yes", &Address::Ip(address)).await.unwrap();
        let mut room = [0; 64];
        let (len, _) = target.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..len], b"yes");
    })
    .await;
}
