//! What a client makes of a server, or of somebody in its place.

use std::{
    future::poll_fn,
    io::ErrorKind,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use shadowsocks_example::{
    keys::Keys,
    loopback::stream_echo,
    upstream::{ShadowsocksStream, ShadowsocksTransport, ShadowsocksUpstream},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, Request,
    datagram::{DatagramTransport, Datagrams},
    proto::{Address, Command},
    session::Connected,
};

use crate::{
    crafted::{answer, session_and_number, to},
    support::{Asked, JANE, JOE, KEY, SHORT, server, soon},
};

fn joe_at(server: SocketAddr) -> ShadowsocksUpstream {
    ShadowsocksUpstream::new(Keys::of_user(server, KEY, Some(JOE)).unwrap())
}

/// A stream of joe's, and the server's end of it.
async fn stream(target: SocketAddr) -> (Connected<ShadowsocksStream<DuplexStream>>, DuplexStream) {
    let (near, far) = duplex(4_096);
    let near = Arc::new(Mutex::new(Some(near)));
    let transport = service_fn(move |_: Address| {
        let near = near.lock().unwrap().take().ok_or("asked twice");
        async { Ok::<_, BoxError>(Connected::new(near?, Address::UNSPECIFIED)) }
    });
    let upstream = joe_at(([127, 0, 0, 1], 1).into()).via(transport);
    (upstream.oneshot(Address::Ip(target)).await.unwrap(), far)
}

#[tokio::test]
async fn a_response_to_another_request_is_none() {
    let (target, _echo) = stream_echo().await.unwrap();
    let server = server(&Asked::default(), &[]).await;
    let mut recorded = Vec::new();
    for replayed in [false, true] {
        let (mut stream, mut far) = stream(target).await;
        stream.write_all(b"hello").await.unwrap();
        if !replayed {
            let mut at_server = TcpStream::connect(server).await.unwrap();
            let mut octets = vec![0; 4_096];
            let len = soon(far.read(&mut octets)).await.unwrap();
            at_server.write_all(&octets[..len]).await.unwrap();
            let len = soon(at_server.read(&mut octets)).await.unwrap();
            recorded = octets[..len].to_vec();
        }
        far.write_all(&recorded).await.unwrap();
        let mut heard = [0; 5];
        match soon(stream.read_exact(&mut heard)).await {
            Ok(_) => assert!(!replayed && heard == *b"hello"),
            Err(error) => assert!(replayed && error.kind() == ErrorKind::InvalidData),
        }
    }
}

/// A datagram of an association of joe's, as the server has received it.
async fn transport(server: &UdpSocket) -> (ShadowsocksTransport, SocketAddr, u64) {
    let request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    let transports = joe_at(server.local_addr().unwrap()).into_transports();
    let mut transport = transports.oneshot(request).await.unwrap();
    let mut packet = vec![0; 2_048];
    let mut seen = None;
    for expected in 0..3 {
        send(&mut transport, b"payload").await;
        let (len, from) = soon(server.recv_from(&mut packet)).await.unwrap();
        let (session, number) = session_and_number(&packet[..len]);
        assert_eq!(number, expected);
        assert_eq!(*seen.get_or_insert((from, session)), (from, session));
    }
    let (from, session) = seen.unwrap();
    (transport, from, session)
}

async fn send(transport: &mut ShadowsocksTransport, payload: &[u8]) {
    let mut batch = Datagrams::new();
    batch.push(Address::new("example.com", 53).unwrap(), payload);
    let sent = poll_fn(|cx| transport.poll_send(cx, &mut batch));
    soon(sent).await.unwrap();
    assert!(batch.is_empty());
}

#[tokio::test]
async fn answers_of_others_and_answers_again_are_dropped() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut transport, joe, session) = transport(&server).await;
    let source = SocketAddr::from(([192, 0, 2, 1], 53));
    let right = |number, text: &str| answer(JOE, 9, number, session, &to(source, text.as_bytes()));
    let (one, two, three) = (right(0, "one"), right(1, "two"), right(2, "three"));
    let other = to(source, b"other");
    let mut truncated = one.clone();
    truncated.pop();
    for packet in [
        &b""[..],
        &[0; 100],
        &truncated,
        &answer(JANE, 9, 0, session, &other),
        &answer(JOE, 9, 0, session ^ 1, &other),
        &answer(JOE, 9, 3, session, b"\x03\x04name\x00"), // a port of one octet
        &answer(JOE, 9, 4, session, b"\x01\x7f"),
        &one,
        &one,
        &three,
        &two,
        &two,
        &one,
        &answer(JOE, 10, 0, session, &to(source, b"restarted")),
        &answer(JOE, 11, 0, session, &other),
        &right(5, "last"),
    ] {
        server.send_to(packet, joe).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let mut batch = Datagrams::new();
        soon(poll_fn(|cx| transport.poll_recv(cx, &mut batch)))
            .await
            .unwrap();
        for (from, payload) in batch.iter() {
            assert_eq!(from, &Address::Ip(source));
            heard.push(String::from_utf8(payload.to_vec()).unwrap());
        }
    }
    assert_eq!(heard, ["one", "three", "two", "restarted", "last"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_nothing() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut transport, joe, session) = transport(&server).await;
    let source = SocketAddr::from(([192, 0, 2, 1], 53));
    let last = answer(JOE, 9, 0, session, &to(source, b"last words"));
    server.send_to(&last, joe).await.unwrap();
    drop(server);
    // The host says that nobody is there. The system tells so before it tells what came earlier.
    send(&mut transport, b"into the void").await;
    let mut batch = Datagrams::new();
    soon(poll_fn(|cx| transport.poll_recv(cx, &mut batch)))
        .await
        .unwrap();
    assert_eq!(batch.iter().next().unwrap().1, b"last words");
    for _ in 0..3 {
        send(&mut transport, b"into the void").await;
        batch.clear();
        let receiving = poll_fn(|cx| transport.poll_recv(cx, &mut batch));
        assert!(timeout(SHORT, receiving).await.is_err());
    }
}

#[tokio::test]
async fn a_datagram_that_is_too_large_is_dropped_and_never_cut() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut transport, _, session) = transport(&server).await;
    send(&mut transport, &vec![1; 65_507]).await;
    send(&mut transport, b"small").await;
    let mut packet = vec![0; 65_536];
    let (len, _) = soon(server.recv_from(&mut packet)).await.unwrap();
    assert_eq!(session_and_number(&packet[..len]).0, session);
    assert!(len < 2_000);
}
