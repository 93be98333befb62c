//! Datagrams by way of proxies that follow a script, and the end of an association.

use std::net::SocketAddr;

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::UdpSocket,
};
use tower_socks::{
    Client, ClientError,
    client::{ClientFault, ProxySocket},
    datagram::Datagrams,
    proto::Address,
};

use crate::support::{HELLO, HELLO_OK, Script, success, within};

/// UDP ASSOCIATE, from anywhere.
const ASSOCIATE: &[u8] = b"\x05\x03\x00\x01\0\0\0\0\0\0";

/// An association with a relay of the test's: the client's end, the far end of its control
/// connection, and the relay.
async fn associated() -> (ProxySocket<DuplexStream>, DuplexStream, UdpSocket) {
    associated_at("127.0.0.1").await
}

async fn associated_at(ip: &str) -> (ProxySocket<DuplexStream>, DuplexStream, UdpSocket) {
    let relay = UdpSocket::bind((ip, 0)).await.unwrap();
    let bound = relay.local_addr().unwrap();
    let (io, mut control) = tokio::io::duplex(1024);
    let client = Client::new().proxy_address(bound.ip());
    let (socket, ()) = tokio::join!(client.associate(io), async {
        control.hear(HELLO).await;
        control.say(HELLO_OK).await;
        control.hear(ASSOCIATE).await;
        control.say(&success(bound)).await;
    });
    let socket = socket.unwrap();
    assert_eq!(socket.relay_addr(), Some(bound));
    (socket, control, relay)
}

/// Where a client's socket can be reached.
fn of<Io>(socket: &ProxySocket<Io>) -> SocketAddr {
    socket.local_addr().unwrap()
}

fn from_target(payload: &[u8]) -> Vec<u8> {
    [b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35", payload].concat()
}

async fn hears<Io>(socket: &mut ProxySocket<Io>, payload: &[u8])
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut room = [0; 100];
    let (len, source) = socket.recv_from(&mut room).await.unwrap();
    assert_eq!(
        room[..len].escape_ascii().to_string(),
        payload.escape_ascii().to_string()
    );
    assert_eq!(source.to_string(), "192.0.2.1:53");
}

fn inner(error: &std::io::Error) -> &ClientError {
    let inner = error.get_ref().expect("an error of the client's");
    inner.downcast_ref().expect("an error of the client's")
}

#[tokio::test]
async fn headers_are_put_on_octet_by_octet() {
    within(async {
        let (mut socket, _control, relay) = associated().await;
        for (target, header) in [
            ("192.0.2.1:53", &b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35"[..]),
            ("ns.example:53", b"\0\0\0\x03\x0ans.example\x00\x35"),
            (
                "[2001:db8::1]:53",
                b"\0\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35",
            ),
        ] {
            socket.send_to(b"ping", target).await.unwrap();
            let mut datagram = [0; 100];
            let (len, source) = relay.recv_from(&mut datagram).await.unwrap();
            assert_eq!(datagram[..len], *[header, b"ping"].concat());
            assert_eq!(source, of(&socket));
        }
    })
    .await;
}

#[tokio::test]
async fn fragments_and_garbage_are_dropped() {
    within(async {
        let (mut socket, _control, relay) = associated().await;
        let client = of(&socket);
        for fragment in [1, 2, 127, 128, 129, 255] {
            let mut datagram = from_target(b"fragment");
            datagram[2] = fragment;
            relay.send_to(&datagram, client).await.unwrap();
        }
        let whole = from_target(b"");
        for cut in 0..whole.len() {
            relay.send_to(&whole[..cut], client).await.unwrap();
        }
        for garbage in [
            &b"\0\x01\0\x01\xc0\x00\x02\x01\x00\x35rsv"[..],
            b"\x01\0\0\x01\xc0\x00\x02\x01\x00\x35rsv",
            b"\0\0\0\x02\xc0\x00\x02\x01\x00\x35atyp",
            b"\0\0\0\x03\x00\x00\x35no name",
        ] {
            relay.send_to(garbage, client).await.unwrap();
        }
        for payload in [&b"good"[..], b"", b"better"] {
            relay.send_to(&from_target(payload), client).await.unwrap();
            hears(&mut socket, payload).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_source_may_be_a_name() {
    within(async {
        let (mut socket, _control, relay) = associated().await;
        for (source, expected) in [
            (&b"\x03\x0ans.example\x00\x35"[..], "ns.example:53"),
            (b"\x03\x09192.0.2.1\x00\x35", "192.0.2.1:53"),
        ] {
            let datagram = [b"\0\0\0", source, b"pong"].concat();
            relay.send_to(&datagram, of(&socket)).await.unwrap();
            let mut room = [0; 4];
            let (len, source) = socket.recv_from(&mut room).await.unwrap();
            assert_eq!((len, source.to_string().as_str()), (4, expected));
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_relay_is_heard() {
    within(async {
        let (mut socket, _control, relay) = associated().await;
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let _ = stranger.send_to(&from_target(b"forged"), of(&socket)).await;
        relay
            .send_to(&from_target(b"true"), of(&socket))
            .await
            .unwrap();
        hears(&mut socket, b"true").await;
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_in_before_the_reply() {
    within(async {
        let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (io, mut control) = tokio::io::duplex(1024);
        let client = Client::new().any_relay();
        let local = "127.0.0.1:0".parse().unwrap();
        let (socket, ()) = tokio::join!(client.associate_from(io, local), async {
            control.hear(HELLO).await;
            control.say(HELLO_OK).await;
            control.hear(b"\x05\x03\x00\x01\x7f\x00\x00\x01").await;
            let port = control.read_u16().await.unwrap();
            // The socket is there, and not connected to the relay yet.
            for _ in 0..40 {
                let forged = from_target(b"forged");
                stranger
                    .send_to(&forged, ("127.0.0.1", port))
                    .await
                    .unwrap();
            }
            control.say(&success(relay.local_addr().unwrap())).await;
        });
        let mut socket = socket.unwrap();
        relay
            .send_to(&from_target(b"true"), of(&socket))
            .await
            .unwrap();
        hears(&mut socket, b"true").await;
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_never_cut() {
    within(async {
        let (mut socket, _control, relay) = associated().await;
        for payload in [&[7; 101][..], b"fits", &[7; 60_000], b"this too"] {
            relay
                .send_to(&from_target(payload), of(&socket))
                .await
                .unwrap();
        }
        hears(&mut socket, b"fits").await;
        hears(&mut socket, b"this too").await;
    })
    .await;
}

#[tokio::test]
async fn an_association_ends_with_its_control_connection() {
    within(async {
        let (mut socket, mut control, relay) = associated().await;
        let target: Address = "192.0.2.1:53".parse().unwrap();
        // What comes on it means nothing.
        control.say(&[5; 500]).await;
        let mut room = [0; 100];
        assert!(socket.recv_from(&mut room).now_or_never().is_none());
        socket.send_to(b"ping", &target).await.unwrap();

        relay
            .send_to(&from_target(b"last"), of(&socket))
            .await
            .unwrap();
        hears(&mut socket, b"last").await;
        drop(control);
        for _ in 0..2 {
            let error = socket.recv_from(&mut room).await.unwrap_err();
            assert!(matches!(inner(&error), ClientError::Closed { .. }));
            assert!(error.to_string().contains("ended the association"));
            let error = socket.recv_batch(&mut Datagrams::new()).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
            assert!(socket.send_to(b"ping", &target).await.is_err());
            let mut batch = Datagrams::new();
            batch.push(target.clone(), b"ping");
            assert!(socket.send_batch(&mut batch).await.is_err());
        }

        // Who only sends hears of it too.
        let (mut socket, control, _relay) = associated().await;
        socket.send_to(b"ping", &target).await.unwrap();
        drop(control);
        let error = socket.send_to(b"ping", &target).await.unwrap_err();
        assert!(matches!(inner(&error), ClientError::Closed { .. }));
    })
    .await;
}

#[tokio::test]
async fn too_much_on_the_control_connection_ends_the_association() {
    within(async {
        let (mut socket, mut control, relay) = associated().await;
        let local = of(&socket);
        let flood = tokio::spawn(async move {
            for _ in 0..200 {
                if control.write_all(&[7; 1_000]).await.is_err() {
                    return control;
                }
            }
            panic!("200 kB were read");
        });
        let error = socket.recv_from(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let error: &ClientError = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(error.fault(), ClientFault::Proxy);
        relay.send_to(&from_target(b"late"), local).await.unwrap();
        assert!(socket.recv_from(&mut [0; 64]).await.is_err());
        drop(socket);
        flood.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn dropping_the_socket_closes_the_control_connection() {
    within(async {
        let (socket, mut control, _relay) = associated().await;
        drop(socket);
        control.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a_relay_that_is_gone_costs_datagrams_and_not_the_association() {
    within(async {
        // At an address of its own, where nobody takes the port meanwhile.
        let (mut socket, _control, relay) = associated_at("127.0.0.77").await;
        let target: Address = "192.0.2.1:53".parse().unwrap();
        let bound = relay.local_addr().unwrap();
        drop(relay);
        for _ in 0..3 {
            // The system tells us of the one before.
            let _ = socket.send_to(b"lost", &target).await;
            let mut room = [0; 100];
            assert!(socket.recv_from(&mut room).now_or_never().is_none());
        }
        let relay = UdpSocket::bind(bound).await.unwrap();
        socket.send_to(b"ping", &target).await.unwrap();
        relay
            .send_to(&from_target(b"pong"), of(&socket))
            .await
            .unwrap();
        hears(&mut socket, b"pong").await;
    })
    .await;
}
