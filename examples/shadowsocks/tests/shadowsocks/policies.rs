//! A policy denies a destination, at either end.

use shadowsocks_example::loopback::datagram_echo;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_socks::{
    Client, ClientError,
    proto::{Address, ReplyCode},
};

use crate::support::{Asked, JOE, SHORT, associate, proxy, reach, server, soon};

#[tokio::test]
async fn a_policy_of_the_proxy_says_no() {
    let (allowed, _echo) = datagram_echo().await.unwrap();
    let (denied, _echo) = datagram_echo().await.unwrap();
    let at_server = Asked::default();
    let server = server(&at_server, &[]).await;
    let proxy = proxy(server, JOE, &Asked::default(), &[denied.port()]).await;
    for host in ["127.0.0.1", "localhost"] {
        let denied = Address::new(host, denied.port()).unwrap();
        let refused = reach(proxy, denied).await;
        assert!(matches!(
            refused,
            Err(ClientError::Refused(ReplyCode::NOT_ALLOWED))
        ));
    }
    let in_the_stream = TcpStream::connect(proxy).await.unwrap();
    let in_the_stream = soon(Client::new().udp_over_tcp(in_the_stream)).await;
    for mut socket in [associate(proxy).await, in_the_stream.unwrap()] {
        for host in ["127.0.0.1", "localhost"] {
            let denied = Address::new(host, denied.port()).unwrap();
            socket.send_to(b"denied", denied).await.unwrap();
        }
        socket.send_to(b"allowed", allowed).await.unwrap();
        let mut payload = [0; 64];
        let (len, source) = soon(socket.recv_from(&mut payload)).await.unwrap();
        assert_eq!(
            (&payload[..len], source),
            (&b"allowed"[..], Address::Ip(allowed))
        );
        // The server has not heard of any but this.
        assert_eq!(
            at_server.take(),
            [format!("joe UDP ASSOCIATE {allowed} at 127.0.0.1")]
        );
    }
}

#[tokio::test]
async fn a_policy_of_the_server_says_no() {
    let (allowed, _echo) = datagram_echo().await.unwrap();
    let (denied, _echo) = datagram_echo().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server(&Asked::default(), &[denied.port(), port]).await;
    let proxy = proxy(server, JOE, &Asked::default(), &[]).await;
    for host in ["127.0.0.1", "localhost"] {
        let denied = Address::new(host, port).unwrap();
        let mut stream = reach(proxy, denied).await.unwrap();
        let mut heard = Vec::new();
        let _ = soon(stream.read_to_end(&mut heard)).await;
        assert!(heard.is_empty());
    }
    assert!(timeout(SHORT, listener.accept()).await.is_err());

    let mut socket = associate(proxy).await;
    for host in ["127.0.0.1", "localhost"] {
        let denied = Address::new(host, denied.port()).unwrap();
        socket.send_to(b"denied", denied).await.unwrap();
    }
    socket.send_to(b"allowed", allowed).await.unwrap();
    let mut payload = [0; 64];
    let (len, source) = soon(socket.recv_from(&mut payload)).await.unwrap();
    assert_eq!(
        (&payload[..len], source),
        (&b"allowed"[..], Address::Ip(allowed))
    );
    assert!(
        timeout(SHORT, socket.recv_from(&mut payload))
            .await
            .is_err()
    );
}
