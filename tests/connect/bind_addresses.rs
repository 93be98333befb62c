//! B1: BND of BIND is where the peer can come, and not where the client is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tower::ServiceExt;
use tower_socks::{Connector, connector::bind::Bind, server::Listener};

use crate::support::{
    Script, has_ipv6,
    sockets::link_local,
    udp::{
        ASSOCIATE, BIND, Client, ClientScript, address,
        association::{datagram, receive},
        binding::{connect_at_once, connects, dst},
        skipped, stack, within,
    },
};

/// A client that has reached the server at this address, right behind its request.
async fn reached(to: &str, bind: Bind, dst: &[u8]) -> Client {
    let ip: IpAddr = to.parse().unwrap();
    let listen = match ip {
        IpAddr::V4(_) => "0.0.0.0:0",
        IpAddr::V6(_) => "[::]:0",
    };
    let from = if ip.is_ipv4() { "127.0.0.1" } else { "::1" };
    let stack = stack(Connector::direct().with_bind(bind));
    let mut client = Client::on(listen, to, from, stack).await;
    client.io.request(BIND, dst).await;
    client
}

#[tokio::test]
async fn b1_the_route_to_the_peer_says_where_it_can_come() {
    within(async {
        // From 127.0.0.1 this machine would go to any of its addresses of the loopback.
        for peer in ["127.0.0.1", "127.0.0.5"] {
            let mut client = reached("127.0.0.3", Bind::new(), &dst(peer)).await;
            let bound = client.io.bound().await;
            assert_eq!(bound.ip().to_string(), "127.0.0.1", "{peer}");
            let socket = TcpSocket::new_v4().unwrap();
            let peer: IpAddr = peer.parse().unwrap();
            socket.bind((peer, 0).into()).unwrap();
            connects(&mut client, socket.connect(bound).await.unwrap()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn b1_a_set_address_is_for_peers_that_are_not_known() {
    within(async {
        let set = || Bind::new().listen_address([127, 0, 0, 9].into());
        for (bind, dst, expected) in [
            (Bind::new(), dst("0.0.0.0"), "127.0.0.3"),
            (set(), dst("0.0.0.0"), "127.0.0.9"),
            (set(), dst("::"), "127.0.0.9"),
            (set(), dst("127.0.0.1"), "127.0.0.1"),
        ] {
            let mut client = reached("127.0.0.3", bind, &dst).await;
            let bound = client.io.bound().await;
            assert_eq!(bound.ip().to_string(), expected);
            connects(&mut client, connect_at_once(bound)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn b1_of_two_set_addresses_that_of_the_family_of_the_zeros_goes_first() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let v6 = || Bind::new().listen_address(Ipv6Addr::LOCALHOST.into());
        let both = || v6().listen_address([127, 0, 0, 9].into());
        for (to, bind, dst, expected) in [
            ("127.0.0.1", both(), dst("0.0.0.0"), "127.0.0.9"),
            ("::1", both(), dst("0.0.0.0"), "127.0.0.9"),
            ("127.0.0.1", both(), dst("::"), "::1"),
            ("127.0.0.1", v6(), dst("::"), "::1"),
            ("127.0.0.3", v6(), dst("0.0.0.0"), "127.0.0.3"),
        ] {
            let mut client = reached(to, bind, &dst).await;
            let bound = client.io.bound().await;
            assert_eq!(bound.ip().to_string(), expected);
            connects(&mut client, connect_at_once(bound)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn clients_on_a_link_have_bind_and_associations_on_that_link() {
    let Some(here) = link_local() else {
        return skipped("no link-local address");
    };
    within(async {
        let mut listener = TcpListener::bind(here).await.unwrap();
        let listening = listener.local_addr().unwrap();
        let mut control = async |command: u8, dst: &[u8]| {
            let socket = TcpSocket::new_v6().unwrap();
            socket.bind(here.into()).unwrap();
            let mut io = socket.connect(listening).await.unwrap();
            let accepted = Listener::accept(&mut listener, listening).await.unwrap();
            tokio::spawn(stack(Connector::direct()).oneshot(accepted));
            io.request(command, dst).await;
            // BND has no scope, which is that of the client's own link.
            let bound = io.bound().await;
            assert_eq!(bound.ip(), IpAddr::V6(*here.ip()));
            let bound = SocketAddrV6::new(*here.ip(), bound.port(), 0, here.scope_id());
            (io, SocketAddr::from(bound))
        };
        let zeros = address("[::]:0".parse().unwrap());
        let link = address(SocketAddrV6::new(*here.ip(), 20, 0, 0).into());
        for dst in [&zeros, &link] {
            let (mut io, bound) = control(BIND, dst).await;
            let socket = TcpSocket::new_v6().unwrap();
            socket.bind(here.into()).unwrap();
            let mut peer = socket.connect(bound).await.unwrap();
            let named = io.bound().await;
            assert_eq!(named.port(), peer.local_addr().unwrap().port());
            peer.say(b"hello").await;
            io.hear(b"hello").await;
        }

        let udp = UdpSocket::bind(here).await.unwrap();
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = udp.local_addr().unwrap().port();
        let stated = address(SocketAddrV6::new(*here.ip(), port, 0, 0).into());
        for dst in [&zeros, &stated] {
            let (_io, relay) = control(ASSOCIATE, dst).await;
            let to = address(target.local_addr().unwrap());
            udp.send_to(&datagram(0, &to, b"ping"), relay)
                .await
                .unwrap();
            let (heard, source) = receive(&target).await;
            assert_eq!(heard, b"ping");
            target.send_to(b"pong", source).await.unwrap();
            assert_eq!(receive(&udp).await.0, datagram(0, &to, b"pong"));
        }
    })
    .await;
}
