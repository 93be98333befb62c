//! C8 and datagrams by way of our own server.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::poll_fn;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tower::service_fn;
use tower_socks::{
    BoxError, Client, ClientError, Connector, NoAuth, Request,
    client::{ClientFault, ProxySocket},
    connector::associate::{Associate, MakeDirect},
    connector::resolve::Lookup,
    datagram::Datagrams,
    proto::Address,
};

use crate::support::{has_ipv6, proxy, proxy_on, stack, within};

type Socket = ProxySocket<TcpStream>;

/// An association with our own server at this address.
async fn associated_on(address: &str) -> Socket {
    let proxy = proxy_on(address, stack(NoAuth, Connector::direct())).await;
    let stream = TcpStream::connect(proxy).await.unwrap();
    let socket = Client::new().associate(stream).await.unwrap();
    assert_eq!(socket.relay_addr().unwrap().ip(), proxy.ip());
    socket
}

/// The proxy takes datagrams of the client's address alone.
#[tokio::test]
async fn datagrams_leave_from_where_the_stream_to_the_proxy_does() {
    within(async {
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        let (target, to) = target().await;
        let from = TcpSocket::new_v4().unwrap();
        from.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        let stream = from.connect(proxy).await.unwrap();
        let mut socket = Client::new().associate(stream).await.unwrap();
        let local = socket.local_addr().unwrap();
        assert_eq!(local.ip().to_string(), "127.0.0.9");
        echo(&mut socket, &target, &to, b"ping").await;
    })
    .await;
}

async fn associated() -> Socket {
    associated_on("127.0.0.1:0").await
}

async fn target() -> (UdpSocket, Address) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(socket.local_addr().unwrap());
    (socket, address)
}

async fn receive(target: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut datagram = vec![0; 70_000];
    let (len, source) = target.recv_from(&mut datagram).await.unwrap();
    datagram.truncate(len);
    (datagram, source)
}

/// A payload to the target and back.
async fn echo(socket: &mut Socket, target: &UdpSocket, to: &Address, payload: &[u8]) {
    socket.send_to(payload, to).await.unwrap();
    let (heard, source) = receive(target).await;
    assert!(heard == payload, "{} octets came", heard.len());
    target.send_to(payload, source).await.unwrap();
    let mut room = vec![0; 65_507];
    let (len, source) = socket.recv_from(&mut room).await.unwrap();
    assert!(room[..len] == *payload, "{len} octets came back");
    assert_eq!(source, Address::Ip(target.local_addr().unwrap()));
}

/// The error of the client inside one of a socket.
fn inner(error: &std::io::Error) -> &ClientError {
    let inner = error.get_ref().expect("an error of the client's");
    inner.downcast_ref().expect("an error of the client's")
}

#[tokio::test]
async fn datagrams_go_to_addresses_and_names() {
    within(async {
        // Only the proxy knows what the name means.
        let resolver =
            service_fn(async |_: Lookup| Ok::<_, BoxError>([IpAddr::from([127, 0, 0, 1])]));
        let paths = MakeDirect::new().resolver(resolver);
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let proxy = proxy(stack(NoAuth, connector)).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let mut socket = Client::new().associate(stream).await.unwrap();
        let (echoing, address) = target().await;
        let name = Address::new("echo.example", address.port()).unwrap();
        for payload in [&b"ping"[..], b"", b"x", b""] {
            echo(&mut socket, &echoing, &address, payload).await;
            echo(&mut socket, &echoing, &name, payload).await;
        }
    })
    .await;
}

#[tokio::test]
async fn both_families_work_on_either() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (v4, v4_address) = target().await;
        let v6 = UdpSocket::bind("[::1]:0").await.unwrap();
        let v6_address = Address::Ip(v6.local_addr().unwrap());
        for proxy in ["127.0.0.1:0", "[::1]:0"] {
            let mut socket = associated_on(proxy).await;
            echo(&mut socket, &v4, &v4_address, b"ping").await;
            echo(&mut socket, &v6, &v6_address, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn c8_the_usable_size_is_told_and_true() {
    within(async {
        let mut socket = associated().await;
        let (echoing, address) = target().await;
        let v6: Address = "[2001:db8::1]:53".parse().unwrap();
        let name = Address::new("ns.example", 53).unwrap();
        assert_eq!(socket.max_payload(&address), 65_507 - 10);
        assert_eq!(socket.max_payload(&v6), 65_507 - 22);
        assert_eq!(socket.max_payload(&name), 65_507 - 262);

        let room = socket.max_payload(&address);
        let largest = vec![7; room + 1];
        echo(&mut socket, &echoing, &address, &largest[..room]).await;
        for (to, len) in [(&address, room + 1), (&v6, 65_507 - 21), (&name, 65_507)] {
            let payload = vec![7; len];
            let error = socket.send_to(&payload, to).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            let ClientError::TooLarge { len: said, .. } = inner(&error) else {
                panic!("{error:?}")
            };
            assert_eq!(*said, len);
            assert_eq!(inner(&error).fault(), ClientFault::Local);
        }
        // Nothing of these was sent.
        echo(&mut socket, &echoing, &address, b"next").await;
    })
    .await;
}

#[tokio::test]
async fn batches_go_both_ways_in_order() {
    within(async {
        let mut socket = associated().await;
        let (one, one_address) = target().await;
        let (other, other_address) = target().await;
        let payload = |number: u8| vec![number; 100 + usize::from(number % 3)];

        let mut out = Datagrams::new();
        for number in 0..60 {
            let to = if number % 10 == 0 {
                &other_address
            } else {
                &one_address
            };
            out.push(to.clone(), &payload(number));
        }
        out.push(one_address.clone(), &vec![0; 65_507]); // too large
        socket.send_batch(&mut out).await.unwrap();
        assert!(out.is_empty());

        let mut client = None;
        for number in 0..60 {
            let target = if number % 10 == 0 { &other } else { &one };
            let (heard, source) = receive(target).await;
            assert_eq!(heard, payload(number));
            client = Some(source);
        }
        for number in 0..30 {
            one.send_to(&payload(number), client.unwrap())
                .await
                .unwrap();
        }
        // Batches and single ones in turn, and none gets lost in between.
        let mut heard = Vec::new();
        while heard.len() < 30 {
            let mut batch = Datagrams::new();
            socket.recv_batch(&mut batch).await.unwrap();
            assert!(!batch.is_empty());
            heard.extend(batch.iter().map(|(_, payload)| payload.to_vec()));
            if heard.len() < 30 {
                let mut room = [0; 200];
                let (len, source) = socket.recv_from(&mut room).await.unwrap();
                assert_eq!(source, one_address);
                heard.push(room[..len].to_vec());
            }
        }
        assert_eq!(heard, (0..30).map(payload).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn two_tasks_may_have_a_half_each() {
    within(async {
        let (mut sender, mut receiver) = associated().await.into_split();
        let (echoing, address) = target().await;
        tokio::spawn(async move {
            loop {
                let (heard, source) = receive(&echoing).await;
                echoing.send_to(&heard, source).await.unwrap();
            }
        });
        assert_eq!(sender.max_payload(&address), 65_497);
        let receiving = tokio::spawn(async move {
            for number in 0..100_u8 {
                let mut room = [0; 8];
                let (len, _) = receiver.recv_from(&mut room).await.unwrap();
                assert_eq!(room[..len], [number]);
            }
            receiver
        });
        for number in 0..100 {
            sender.send_to(&[number], &address).await.unwrap();
            tokio::task::yield_now().await;
        }
        // The association is the receiver's.
        drop(receiving.await.unwrap());
        let error = sender.send_to(b"late", &address).await.unwrap_err();
        assert!(matches!(inner(&error), ClientError::Closed { .. }));
    })
    .await;
}

#[tokio::test]
async fn polling_does_the_same() {
    within(async {
        let mut socket = associated().await;
        let (echoing, address) = target().await;
        poll_fn(|cx| socket.poll_send_to(cx, b"ping", &address))
            .await
            .unwrap();
        let (_, source) = receive(&echoing).await;
        let mut room = [0; 4];
        poll_fn(|cx| {
            assert!(socket.poll_recv_from(cx, &mut room).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        echoing.send_to(b"pong", source).await.unwrap();
        let received = poll_fn(|cx| socket.poll_recv_from(cx, &mut room)).await;
        assert_eq!(received.unwrap(), (4, address));
        assert_eq!(&room, b"pong");
    })
    .await;
}

#[tokio::test]
async fn the_proxy_may_be_told_where_datagrams_come_from() {
    within(async {
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut socket = Client::new().associate_from(stream, local).await.unwrap();
        assert_ne!(socket.local_addr().unwrap().port(), 0);
        let (echoing, address) = target().await;
        echo(&mut socket, &echoing, &address, b"ping").await;

        // An address of nobody's here.
        let stream = TcpStream::connect(proxy).await.unwrap();
        let local: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let error = Client::new()
            .associate_from(stream, local)
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Socket(_)), "{error:?}");
        assert_eq!(error.fault(), ClientFault::Local);
    })
    .await;
}

#[tokio::test]
async fn the_datagrams_of_a_server_may_go_by_another_proxy() {
    within(async {
        let last = proxy(stack(NoAuth, Connector::direct())).await;
        let paths = service_fn(move |_: Request| async move {
            let stream = TcpStream::connect(last).await?;
            Ok::<Socket, BoxError>(Client::new().associate(stream).await?)
        });
        let associate = Associate::with_transports(paths);
        let first = proxy(stack(NoAuth, Connector::direct().with_associate(associate))).await;
        let stream = TcpStream::connect(first).await.unwrap();
        let mut socket = Client::new().associate(stream).await.unwrap();
        let (echoing, address) = target().await;
        echo(&mut socket, &echoing, &address, b"ping").await;
        let largest = vec![7; socket.max_payload(&address)];
        echo(&mut socket, &echoing, &address, &largest).await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_datagrams_does_not_hold_the_thread() {
    use std::{future::Future, pin::pin, task::Poll};

    within(async {
        let mut socket = associated().await;
        let (target, to) = target().await;
        echo(&mut socket, &target, &to, b"ping").await;
        socket.send_to(b"ping", &to).await.unwrap();
        let (payload, source) = receive(&target).await;
        target.send_to(&payload, source).await.unwrap();
        let mut room = [0; 100];
        // What is there is not taken by a task that has had its turn, and is in the next one.
        poll_fn(|cx| {
            let mut spent = 0;
            while let Poll::Ready(turn) = tokio::task::coop::poll_proceed(cx) {
                turn.made_progress();
                spent += 1;
            }
            assert!(spent > 0);
            assert!(pin!(socket.recv_from(&mut room)).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
        let (len, _) = socket.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..len], b"ping");
    })
    .await;
}
