//! A client of SOCKS5, the proxy, the server, and a target.

use shadowsocks_example::{
    keys::Keys,
    loopback::{datagram_echo, stream_echo},
    upstream::ShadowsocksUpstream,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::ServiceExt;
use tower_socks::{
    client::ProxySocket,
    connector::upstream::Socks5Upstream,
    proto::{Address, UdpOverTcp},
};

use crate::support::{Asked, JANE, JOE, KEY, associate, proxy, reach, server, soon};

#[tokio::test]
async fn a_stream_goes_through_and_the_server_knows_whose_it_is() {
    let (target, _echo) = stream_echo().await.unwrap();
    let (at_server, at_proxy) = (Asked::default(), Asked::default());
    let server = server(&at_server, &[]).await;
    let proxy = proxy(server, JANE, &at_proxy, &[]).await;
    let (mut read, mut write) = tokio::io::split(reach(proxy, target).await.unwrap());
    let payload: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = payload.clone();
    let sending = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let mut heard = Vec::new();
    soon(read.read_to_end(&mut heard)).await.unwrap();
    assert!(heard == payload);
    drop(sending.await.unwrap());
    assert_eq!(
        at_proxy.take(),
        [format!("- CONNECT {target} at 127.0.0.1")]
    );
    assert_eq!(
        at_server.take(),
        [format!("jane CONNECT {target} at 127.0.0.1")]
    );
}

#[tokio::test]
async fn a_target_that_speaks_first_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let server = server(&Asked::default(), &[]).await;
    let proxy = proxy(server, JOE, &Asked::default(), &[]).await;
    let mut stream = reach(proxy, target).await.unwrap();
    let (mut accepted, _) = soon(listener.accept()).await.unwrap();
    accepted.write_all(b"220 hello").await.unwrap();
    let mut heard = [0; 9];
    soon(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"220 hello");
}

#[tokio::test]
async fn datagrams_of_all_sizes_go_through_with_their_sources() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let (other, _echo) = datagram_echo().await.unwrap();
    let (at_server, at_proxy) = (Asked::default(), Asked::default());
    let server = server(&at_server, &[]).await;
    let proxy = proxy(server, JOE, &at_proxy, &[]).await;
    let mut socket = associate(proxy).await;
    let mut payload = vec![0; 65_536];
    for size in [0, 1, 512, 1_400, 30_000, 64_000] {
        for target in [target, other] {
            socket
                .send_to(&vec![size as u8; size], target)
                .await
                .unwrap();
            let (len, source) = soon(socket.recv_from(&mut payload)).await.unwrap();
            assert_eq!((len, source), (size, Address::Ip(target)));
            assert!(payload[..len].iter().all(|octet| *octet == size as u8));
        }
    }
    let asked = at_server.take();
    assert!(
        asked.contains(&format!("joe UDP ASSOCIATE {target} at 127.0.0.1")),
        "{asked:?}"
    );
    let asked = at_proxy.take();
    assert!(
        asked.contains(&format!("- UDP ASSOCIATE {other} at 127.0.0.1")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn names_are_handed_on_and_resolved_by_the_server() {
    let (streams, _echo) = stream_echo().await.unwrap();
    let (datagrams, _echo) = datagram_echo().await.unwrap();
    let (at_server, at_proxy) = (Asked::default(), Asked::default());
    let server = server(&at_server, &[]).await;
    let proxy = proxy(server, JOE, &at_proxy, &[]).await;
    let name = |port| Address::new("localhost", port).unwrap();

    let mut stream = reach(proxy, name(streams.port())).await.unwrap();
    stream.write_all(b"a stream").await.unwrap();
    let mut heard = [0; 8];
    soon(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"a stream");

    let mut socket = associate(proxy).await;
    socket
        .send_to(b"a datagram", name(datagrams.port()))
        .await
        .unwrap();
    let mut payload = [0; 64];
    let (len, source) = soon(socket.recv_from(&mut payload)).await.unwrap();
    assert_eq!(
        (&payload[..len], source),
        (&b"a datagram"[..], Address::Ip(datagrams))
    );

    let (streams, datagrams) = (streams.port(), datagrams.port());
    let expected = [
        format!("- CONNECT localhost:{streams} handed on"),
        format!("- UDP ASSOCIATE localhost:{datagrams} handed on"),
    ];
    assert_eq!(at_proxy.take(), expected);
    let asked = at_server.take();
    for expected in [
        format!("joe CONNECT localhost:{streams} at 127.0.0.1"),
        format!("joe UDP ASSOCIATE localhost:{datagrams} at 127.0.0.1"),
    ] {
        assert!(asked.contains(&expected), "{asked:?}");
    }
}

/// One server is reached through another, and that through a SOCKS5 proxy.
#[tokio::test]
async fn connectors_nest() {
    let (target, _echo) = stream_echo().await.unwrap();
    let (at_first, at_second) = (Asked::default(), Asked::default());
    let (first, second) = (server(&at_first, &[]).await, server(&at_second, &[]).await);
    let proxy = proxy(first, JOE, &Asked::default(), &[]).await;
    let chain = ShadowsocksUpstream::new(Keys::of_user(second, KEY, Some(JANE)).unwrap())
        .via(Socks5Upstream::new(proxy));
    let mut stream = soon(chain.oneshot(Address::Ip(target))).await.unwrap();
    stream.write_all(b"a chain").await.unwrap();
    let mut heard = [0; 7];
    soon(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"a chain");
    assert_eq!(
        at_first.take(),
        [format!("joe CONNECT {second} at 127.0.0.1")]
    );
    assert_eq!(
        at_second.take(),
        [format!("jane CONNECT {target} at 127.0.0.1")]
    );
}

/// What some clients of shadowsocks do in place of sessions.
#[tokio::test]
async fn datagrams_go_through_in_a_stream_as_well() {
    let (target, _echo) = datagram_echo().await.unwrap();
    let (denied, _echo) = datagram_echo().await.unwrap();
    let asked = Asked::default();
    let server = server(&asked, &[denied.port()]).await;
    let client = ShadowsocksUpstream::new(Keys::of_user(server, KEY, Some(JOE)).unwrap());
    let (v1, v2) = (UdpOverTcp::V1, UdpOverTcp::V2);
    for (protocol, port) in [(v1, 443), (v2, 443), (v1, 0), (v2, 0)] {
        let name = protocol.target().name().unwrap().to_string();
        let carrier = Address::new(&name, port).unwrap();
        let stream = soon(client.clone().oneshot(carrier)).await.unwrap();
        let mut socket = ProxySocket::over_stream(stream, protocol);
        socket.send_to(b"denied", denied).await.unwrap();
        socket.send_to(b"a datagram", target).await.unwrap();
        let mut payload = [0; 64];
        let (len, source) = soon(socket.recv_from(&mut payload)).await.unwrap();
        assert_eq!(
            (&payload[..len], source),
            (&b"a datagram"[..], Address::Ip(target))
        );
        let at = |port| format!("joe UDP ASSOCIATE 127.0.0.1:{port} at 127.0.0.1");
        assert_eq!(asked.take(), [at(denied.port()), at(target.port())]);
    }
}
