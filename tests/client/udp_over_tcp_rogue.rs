//! Proxies that send frames that are none, none at all, or too many.

use std::io;

use tokio::io::AsyncWriteExt;
use tower_socks::{
    ClientError,
    client::{ClientFault, ProxySocket},
    datagram::Datagrams,
    error::reply_code,
    proto::{Address, ReplyCode, UdpOverTcp},
};

use crate::support::{
    Script,
    canned::{Canned, Log, Then},
    settle,
    udp_over_tcp::{addressed, connected, forwarded},
    within,
};

fn inner(error: &io::Error) -> &ClientError {
    let inner = error.get_ref().expect("an error of the client's");
    inner.downcast_ref().expect("an error of the client's")
}

fn socket(protocol: UdpOverTcp, says: &[u8]) -> (ProxySocket<Canned>, Log) {
    let (io, log) = Canned::new([says], Then::Ends);
    (ProxySocket::over_stream(io, protocol), log)
}

#[tokio::test]
async fn a_malformed_frame_ends_the_association() {
    for (protocol, malformed) in [
        // ATYPs of RFC 1928, and others that are none.
        (UdpOverTcp::V1, &b"\x03\x01a\x00\x35\x00\x00"[..]),
        (
            UdpOverTcp::V2,
            b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35\x00\x00",
        ),
        (UdpOverTcp::V2, b"\xff\xff\xff\xff"),
        (
            UdpOverTcp::ForwardUdp,
            b"\x00\x01\x0a\x00\xc0\x00\x02\x01\x00\x35x",
        ),
        (
            UdpOverTcp::ForwardUdp,
            b"\x00\x01\x0a\x02\xc0\x00\x02\x01\x00\x35x",
        ),
        // HDRLEN that is not the header's.
        (
            UdpOverTcp::ForwardUdp,
            b"\x00\x01\x09\x01\xc0\x00\x02\x01\x00\x35x",
        ),
        (
            UdpOverTcp::ForwardUdp,
            b"\x00\x01\x0b\x01\xc0\x00\x02\x01\x00\x35x",
        ),
        (
            UdpOverTcp::ForwardUdp,
            b"\x00\x01\x00\x01\xc0\x00\x02\x01\x00\x35x",
        ),
    ] {
        let good = match protocol {
            UdpOverTcp::ForwardUdp => forwarded(b"good"),
            _ => addressed(b"good"),
        };
        let (mut socket, log) = socket(protocol, &[&*good, malformed, &good].concat());
        let mut room = [0; 9];
        // What was whole before it may be lost with it; nothing behind it is taken for a frame.
        let mut received = 0;
        let error = loop {
            match socket.recv_from(&mut room).await {
                Ok((len, _)) => {
                    assert_eq!(&room[..len], b"good");
                    received += 1;
                }
                Err(error) => break error,
            }
        };
        assert!(received <= 1, "{received} frames");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = inner(&error);
        assert!(matches!(error, ClientError::BadFrame { .. }), "{error:?}");
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(error), ReplyCode::GENERAL_FAILURE);
        // It does not go on, and the proxy hears of it at once.
        assert!(log.is_dropped());
        for error in [
            socket.recv_from(&mut room).await.unwrap_err(),
            socket.send_to(b"x", "192.0.2.1:53").await.unwrap_err(),
            socket.send_batch(&mut Datagrams::new()).await.unwrap_err(),
        ] {
            assert!(
                matches!(inner(&error), ClientError::Closed { .. }),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_end_within_a_frame_is_no_datagram() {
    let whole = addressed(b"pong");
    for cut in 1..whole.len() {
        let (mut socket, log) = socket(UdpOverTcp::V1, &whole[..cut]);
        let error = socket.recv_from(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        assert!(log.is_dropped());
    }
}

#[tokio::test]
async fn a_source_that_is_no_host_costs_its_datagram_alone() {
    let name = |name: &[u8]| {
        let len = u8::try_from(name.len()).unwrap();
        [b"\x02", &[len][..], name, b"\x00\x35\x00\x04lost"].concat()
    };
    let says = [
        name(b"a b"),
        name(b"\xff\xfe"),
        name(b"127.0.0.256"),
        name(&[b'.'; 255]),
        addressed(b"good"),
    ];
    let (mut socket, _log) = socket(UdpOverTcp::V1, &says.concat());
    let mut room = [0; 9];
    let (len, source) = socket.recv_from(&mut room).await.unwrap();
    assert_eq!(&room[..len], b"good");
    assert_eq!(source.to_string(), "192.0.2.1:53");
}

#[tokio::test]
async fn sources_are_in_their_one_form() {
    let frames = [
        &b"\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x00\x35\x00\x00"[..],
        b"\x02\x09192.0.2.1\x00\x35\x00\x00",
        b"\x02\x0aNS.Example\x00\x35\x00\x00",
    ];
    let (mut socket, _log) = socket(UdpOverTcp::V2, &frames.concat());
    for form in ["192.0.2.1:53", "192.0.2.1:53", "ns.example:53"] {
        let (len, source) = socket.recv_from(&mut []).await.unwrap();
        assert_eq!((len, source.to_string()), (0, form.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_nothing_holds_up_nobody() {
    within(async {
        let (io, mut far) = tokio::io::duplex(64 * 1024);
        let mut socket = ProxySocket::over_stream_to(io, Address::new("a.example", 53).unwrap());
        // Larger than any datagram.
        let none = connected(&[0; 65_535]);
        let flood = tokio::spawn(async move {
            for _ in 0..100 {
                far.write_all(&none).await.unwrap();
            }
            far.write_all(&connected(b"one")).await.unwrap();
            far
        });
        // On the same thread as the flood: both get their turn.
        let mut room = [0; 9];
        let (len, _) = socket.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..len], b"one");
        flood.await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn datagrams_come_while_the_proxy_does_not_read() {
    within(async {
        let (io, mut far) = tokio::io::duplex(8);
        let socket = ProxySocket::over_stream(io, UdpOverTcp::V1);
        let (mut sender, mut receiver) = socket.into_split();
        let sending = tokio::spawn(async move { sender.send_to(&[7; 100], "192.0.2.1:53").await });
        settle().await;
        let receiving = tokio::spawn(async move {
            let mut room = [0; 9];
            let (len, _) = receiver.recv_from(&mut room).await.unwrap();
            assert_eq!(&room[..len], b"pong");
            receiver
        });
        far.say(&addressed(b"pong")).await;
        let receiver = receiving.await.unwrap();
        assert!(!sending.is_finished());
        // It goes at last, and is an error for who waits.
        drop(far);
        drop(receiver);
        let error = sending.await.unwrap().unwrap_err();
        let is_over = matches!(
            inner(&error),
            ClientError::Closed { .. } | ClientError::Io { .. }
        );
        assert!(is_over, "{error:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_ends_both_halves() {
    within(async {
        let (io, far) = tokio::io::duplex(8);
        let socket = ProxySocket::over_stream(io, UdpOverTcp::V1);
        let (mut sender, mut receiver) = socket.into_split();
        let receiving = tokio::spawn(async move { receiver.recv_from(&mut [0; 9]).await });
        settle().await;
        drop(far);
        let error = sender.send_to(&[7; 100], "192.0.2.1:53").await.unwrap_err();
        assert!(matches!(inner(&error), ClientError::Io { .. }), "{error:?}");
        let error = receiving.await.unwrap().unwrap_err();
        assert!(
            matches!(inner(&error), ClientError::Closed { .. }),
            "{error:?}"
        );
    })
    .await;
}
