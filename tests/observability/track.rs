//! Open tunnels: who is on the list, what it says, and what closing one does.

use std::io;

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};
use tower::{Layer, ServiceExt};
use tower_socks::{
    Connector, Identity, NoAuth, Request, Traffic, Tunnel,
    error::{Fault, Step},
    io::PrefixedStream,
    layer::{track::OpenTunnels, udp_over_tcp::UdpOverTcpLayer},
    proto::{Address, Command, UdpOverTcp},
    relay::{RelayError, RelayErrorKind},
};

use crate::support::{Client, Script, sockets::pair, stack, targets::targets, within};

struct Opened {
    client: TcpStream,
    target: TcpStream,
    running: JoinHandle<io::Result<Traffic>>,
}

/// A tunnel of `user`, over real sockets.
async fn open(tunnels: &OpenTunnels, user: &str) -> Opened {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Address::new("localhost", port).unwrap();
    let mut request = Request::new(Command::CONNECT, target);
    request.peer = "203.0.113.5:1234".parse().unwrap();
    request.identity = Identity::named(user);
    let service = tunnels.layer().layer(Connector::direct());
    let tunnel = service.oneshot(request).await.unwrap();
    let (target, _) = listener.accept().await.unwrap();
    let (client, near) = pair().await;
    let running = tokio::spawn(tunnel.run(PrefixedStream::new(near)));
    Opened {
        client,
        target,
        running,
    }
}

#[tokio::test]
async fn the_list_says_who_is_connected_to_what() {
    within(async {
        let tunnels = OpenTunnels::new();
        let mut joe = open(&tunnels, "joe").await;
        let jane = open(&tunnels, "jane").await;
        joe.client.say(b"ping").await;
        joe.target.hear(b"ping").await;
        joe.target.say(b"hello").await;
        joe.client.hear(b"hello").await;

        let list = tunnels.list();
        assert_eq!(list.len(), 2);
        let first = &list[0];
        assert_eq!(first.identity.to_string(), "joe");
        assert_eq!(first.client.to_string(), "203.0.113.5:1234");
        assert_eq!(first.command, Command::CONNECT);
        assert!(first.target.to_string().starts_with("localhost:"));
        let reached = first.reached.unwrap();
        assert_eq!(reached, joe.target.local_addr().unwrap());
        assert_eq!(first.traffic, Traffic { up: 4, down: 5 });
        assert!(first.since <= std::time::SystemTime::now());
        assert_ne!(first.id, list[1].id);

        // One that has ended is off the list, and its bytes are not forgotten.
        joe.client.shutdown().await.unwrap();
        joe.target.shutdown().await.unwrap();
        joe.running.await.unwrap().unwrap();
        let totals = tunnels.totals();
        assert_eq!((totals.open, totals.opened), (1, 2));
        assert_eq!(totals.traffic, Traffic { up: 4, down: 5 });

        // So is one that is dropped.
        jane.running.abort();
        assert!(jane.running.await.unwrap_err().is_cancelled());
        assert_eq!(tunnels.list().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn closing_one_ends_it_whatever_it_is_doing() {
    within(async {
        let tunnels = OpenTunnels::new();
        // Idle, and in the middle of what nobody reads.
        for stuck in [false, true] {
            let mut joe = open(&tunnels, "joe").await;
            let jane = open(&tunnels, "jane").await;
            joe.client.say(b"ping").await;
            joe.target.hear(b"ping").await;
            if stuck {
                let flood = vec![0; 1 << 20];
                while let Ok(Ok(_)) = tokio::time::timeout(
                    std::time::Duration::from_millis(100),
                    joe.client.write(&flood),
                )
                .await
                {}
            }
            let id = tunnels.list()[0].id;
            assert!(tunnels.close(id));
            let error = joe.running.await.unwrap().unwrap_err();
            let relayed: &RelayError = error.get_ref().unwrap().downcast_ref().unwrap();
            assert_eq!(relayed.kind(), RelayErrorKind::Closed);
            assert!(relayed.traffic().up >= 4);
            assert!(!tunnels.close(id));
            assert_eq!(tunnels.list().len(), 1);
            assert_eq!(
                tunnels.close_where(|it| it.identity.name() == Some(b"joe")),
                0
            );
            assert_eq!(tunnels.close_where(|_| true), 1);
            assert!(jane.running.await.unwrap().is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn a_closed_session_was_refused_and_its_bytes_are_told() {
    within(async {
        let tunnels = OpenTunnels::new();
        let (service, mut incoming) = targets();
        let mut client = Client::new(stack(NoAuth, tunnels.layer().layer(service)))
            .connected()
            .await;
        let (_, mut target) = incoming.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        assert_eq!(tunnels.close_where(|it| it.traffic.up == 4), 1);
        let error = client.outcome().await.unwrap_err();
        assert_eq!((error.step(), error.fault()), (Step::Relay, Fault::Refused));
        target.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn associations_are_on_the_list_too() {
    within(async {
        let tunnels = OpenTunnels::new();
        let service = tunnels.layer().layer(Connector::direct());
        let service = UdpOverTcpLayer::new().layer(service);
        let proxy = crate::support::proxy(stack(NoAuth, service)).await;
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Ip(target.local_addr().unwrap());
        let client = tower_socks::Client::new();
        for carrier in [None, Some(UdpOverTcp::V2)] {
            let stream = TcpStream::connect(proxy).await.unwrap();
            let mut socket = match carrier {
                None => client.associate(stream).await.unwrap(),
                Some(protocol) => client.udp_over_tcp_by(stream, protocol).await.unwrap(),
            };
            socket.send_to(b"ping", &address).await.unwrap();
            let mut room = [0; 8];
            let (_, from) = target.recv_from(&mut room).await.unwrap();
            target.send_to(b"hello", from).await.unwrap();
            socket.recv_from(&mut room).await.unwrap();
            let list = tunnels.list();
            assert_eq!(list[0].command, Command::UDP_ASSOCIATE);
            assert_eq!(list[0].udp_over_tcp, carrier);
            assert_eq!(list[0].traffic, Traffic { up: 4, down: 5 });
            assert!(tunnels.close(list[0].id));
            assert!(socket.recv_from(&mut room).await.is_err());
            while tunnels.totals().open > 0 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}
