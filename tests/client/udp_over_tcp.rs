//! Datagrams in the stream to a proxy, octet by octet.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tower_socks::{
    Client, ClientError,
    client::{ClientFault, ProxySocket},
    datagram::Datagrams,
    error::reply_code,
    proto::{Address, ReplyCode, UdpOverTcp},
};

use crate::support::{
    CONNECTED, HELLO, HELLO_OK, Script,
    canned::{Canned, Then},
    failure, settle,
    udp_over_tcp::{V1, V2, addressed, asks_for, connected, forwarded},
    within,
};

const ALL: [UdpOverTcp; 3] = [UdpOverTcp::V1, UdpOverTcp::V2, UdpOverTcp::ForwardUdp];

/// Version 2: the frames have addresses, and the request has none.
const EACH: &[u8] = b"\x00\x01\x00\x00\x00\x00\x00\x00";

/// Version 2: all goes to 192.0.2.1:53.
const ALL_TO: &[u8] = b"\x01\x01\xc0\x00\x02\x01\x00\x35";

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn frame(protocol: UdpOverTcp, payload: &[u8]) -> Vec<u8> {
    match protocol {
        UdpOverTcp::ForwardUdp => forwarded(payload),
        _ => addressed(payload),
    }
}

async fn hears<Io>(socket: &mut ProxySocket<Io>, payload: &[u8])
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let mut room = [0; 100];
    let (len, source) = socket.recv_from(&mut room).await.unwrap();
    assert_eq!(
        room[..len].escape_ascii().to_string(),
        payload.escape_ascii().to_string()
    );
    assert_eq!(source, address("192.0.2.1:53"));
}

fn inner(error: &io::Error) -> &ClientError {
    let inner = error.get_ref().expect("an error of the client's");
    inner.downcast_ref().expect("an error of the client's")
}

#[tokio::test]
async fn the_request_and_the_first_frame_leave_in_one_write() {
    for protocol in ALL {
        let (io, log) = Canned::new([HELLO_OK, CONNECTED], Then::Waits);
        let mut socket = Client::new().udp_over_tcp_by(io, protocol).await.unwrap();
        let asked = [HELLO, asks_for(protocol)].concat();
        assert_eq!(log.written(), (asked.clone(), 2));
        assert_eq!(socket.relay_addr(), None);
        let error = socket.local_addr().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);

        socket.send_to(b"ping", "192.0.2.1:53").await.unwrap();
        socket.send_to(b"", "192.0.2.1:53").await.unwrap();
        let request = if protocol == UdpOverTcp::V2 {
            EACH
        } else {
            b""
        };
        let frames = [&*frame(protocol, b"ping"), &frame(protocol, b"")].concat();
        assert_eq!(log.written(), ([&*asked, request, &frames].concat(), 4));
    }
}

#[tokio::test]
async fn version_2_is_what_is_asked_for() {
    let (io, log) = Canned::new([HELLO_OK, CONNECTED], Then::Waits);
    Client::new().udp_over_tcp(io).await.unwrap();
    assert_eq!(log.written().0, [HELLO, V2].concat());
    assert!(log.is_dropped());
}

#[tokio::test]
async fn with_one_destination_frames_have_no_address() {
    let replies = [HELLO_OK, CONNECTED, b"\x00\x04pong\x00\x00"];
    let (io, log) = Canned::new(replies, Then::Waits);
    let client = Client::new();
    let mut socket = client.udp_over_tcp_to(io, "192.0.2.1:53").await.unwrap();
    socket.send_to(b"ping", "192.0.2.1:53").await.unwrap();
    // The same address, in the clothes of IPv6.
    let same = "[::ffff:192.0.2.1]:53";
    socket.send_to(b"", same).await.unwrap();
    hears(&mut socket, b"pong").await;
    hears(&mut socket, b"").await;
    let said = [HELLO, V2, ALL_TO, b"\x00\x04ping\x00\x00"].concat();
    assert_eq!(log.written(), (said, 4));
}

#[tokio::test]
async fn with_one_destination_nothing_goes_elsewhere() {
    let (io, log) = Canned::new([HELLO_OK, CONNECTED], Then::Waits);
    let client = Client::new();
    let mut socket = client.udp_over_tcp_to(io, "a.example:53").await.unwrap();
    for elsewhere in ["a.example:54", "b.example:53", "192.0.2.1:53"] {
        let error = socket.send_to(b"ping", elsewhere).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = inner(&error);
        assert_eq!(
            error.to_string(),
            "datagrams of this socket go to a.example:53 alone"
        );
        assert_eq!(error.fault(), ClientFault::Local);
    }
    let mut batch = Datagrams::new();
    for target in ["192.0.2.1:53", "A.example.:53", "b.example:53"] {
        batch.push(address(target), b"ping");
    }
    socket.send_batch(&mut batch).await.unwrap();
    assert!(batch.is_empty());
    let request = b"\x01\x03\x09a.example\x00\x35";
    let said = [HELLO, V2, request, &connected(b"ping")].concat();
    assert_eq!(log.written(), (said, 3));
}

#[tokio::test]
async fn every_form_of_an_address_has_its_own_frame() {
    let v6 = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35";
    let cases: [(UdpOverTcp, [Vec<u8>; 2]); 2] = [
        (
            UdpOverTcp::V1,
            [
                [
                    b"\x02\x0ans.example\x00\x35\x00\x01".to_vec(),
                    b"x".to_vec(),
                ]
                .concat(),
                [b"\x01", &v6[..], b"\x00\x01x"].concat(),
            ],
        ),
        (
            UdpOverTcp::ForwardUdp,
            [
                b"\x00\x01\x11\x03\x0ans.example\x00\x35x".to_vec(),
                [b"\x00\x01\x16\x04", &v6[..], b"x"].concat(),
            ],
        ),
    ];
    for (protocol, frames) in cases {
        let (io, mut far) = tokio::io::duplex(1024);
        let mut socket = ProxySocket::over_stream(io, protocol);
        for (target, frame) in ["ns.example:53", "[2001:db8::1]:53"].iter().zip(frames) {
            socket.send_to(b"x", *target).await.unwrap();
            far.hear(&frame).await;
            far.say(&frame).await;
            let (len, source) = socket.recv_from(&mut [0; 9]).await.unwrap();
            assert_eq!((len, source), (1, address(target)));
        }
    }
}

#[tokio::test]
async fn answers_may_be_cut_at_every_octet() {
    for protocol in ALL {
        let frames = [
            frame(protocol, b"pong"),
            frame(protocol, b""),
            frame(protocol, b"last"),
        ];
        let all = [HELLO_OK, CONNECTED, &frames.concat()].concat();
        for cut in 0..=all.len() {
            let (front, back) = all.split_at(cut);
            let (io, _log) = Canned::new([front, back], Then::Ends);
            says_three(Client::new().udp_over_tcp_by(io, protocol).await.unwrap()).await;
        }
        let (io, _log) = Canned::dribbles(&all);
        says_three(Client::new().udp_over_tcp_by(io, protocol).await.unwrap()).await;
    }
}

async fn says_three(mut socket: ProxySocket<Canned>) {
    for payload in [&b"pong"[..], b"", b"last"] {
        hears(&mut socket, payload).await;
    }
    // Both halves know of the end.
    let error = socket.recv_from(&mut [0; 9]).await.unwrap_err();
    assert!(
        matches!(inner(&error), ClientError::Closed { .. }),
        "{error:?}"
    );
    let error = socket.send_to(b"x", "192.0.2.1:53").await.unwrap_err();
    assert!(
        matches!(inner(&error), ClientError::Closed { .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn frames_may_come_with_the_reply() {
    let all = [HELLO_OK, CONNECTED, &addressed(b"early")].concat();
    let (io, _log) = Canned::new([all], Then::Waits);
    let mut socket = Client::new().udp_over_tcp(io).await.unwrap();
    hears(&mut socket, b"early").await;
}

#[tokio::test(start_paused = true)]
async fn who_only_receives_sends_the_request_all_the_same() {
    within(async {
        let (io, mut far) = tokio::io::duplex(1024);
        let mut socket = ProxySocket::over_stream(io, UdpOverTcp::V2);
        let receiving = tokio::spawn(async move {
            hears(&mut socket, b"pong").await;
        });
        far.hear(b"\x00\x01\0\0\0\0\0\0").await;
        far.say(&addressed(b"pong")).await;
        receiving.await.unwrap();

        // So does the half that receives.
        let (io, mut far) = tokio::io::duplex(3);
        let socket = ProxySocket::over_stream_to(io, address("192.0.2.1:53"));
        let (_sender, mut receiver) = socket.into_split();
        let receiving = tokio::spawn(async move { receiver.recv_from(&mut [0; 9]).await });
        far.hear(ALL_TO).await;
        far.say(&connected(b"pong")).await;
        let (len, source) = receiving.await.unwrap().unwrap();
        assert_eq!((len, source), (4, address("192.0.2.1:53")));
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_one_write_and_one_read_yields_many() {
    for protocol in ALL {
        let payloads: Vec<[u8; 1]> = (0..100).map(|number| [number]).collect();
        let frames: Vec<_> = payloads.iter().map(|it| frame(protocol, it)).collect();
        let (io, log) = Canned::new([frames.concat()], Then::Waits);
        let mut socket = ProxySocket::over_stream(io, protocol);
        let mut batch = Datagrams::new();
        for payload in &payloads {
            batch.push(address("192.0.2.1:53"), payload);
        }
        socket.send_batch(&mut batch).await.unwrap();
        assert!(batch.is_empty());
        let request = if protocol == UdpOverTcp::V2 {
            EACH
        } else {
            b""
        };
        assert_eq!(log.written(), ([request, &frames.concat()].concat(), 1));

        socket.recv_batch(&mut batch).await.unwrap();
        let heard: Vec<_> = batch.iter().map(|(_, payload)| payload.to_vec()).collect();
        assert_eq!(heard, payloads);
    }
}

#[tokio::test]
async fn the_usable_size_is_told_and_true() {
    let v4 = address("192.0.2.1:53");
    let v6 = address("[2001:db8::1]:53");
    let name = address("ns.example:53");
    for (protocol, sizes) in [
        (UdpOverTcp::V1, [65_507; 3]),
        (UdpOverTcp::V2, [65_507; 3]),
        // 1,500 octets with ATYP, ADDR and PORT.
        (UdpOverTcp::ForwardUdp, [1_493, 1_481, 1_486]),
    ] {
        let (io, log) = Canned::new([""], Then::Waits);
        let mut socket = ProxySocket::over_stream(io, protocol);
        for (target, most) in [&v4, &v6, &name].into_iter().zip(sizes) {
            assert_eq!(socket.max_payload(target), most);
            let before = log.written().1;
            let error = socket
                .send_to(&vec![7; most + 1], target)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let said = *match inner(&error) {
                ClientError::TooLarge { most, .. } => most,
                other => panic!("{other:?}"),
            };
            assert_eq!(said, most);
            // In a batch it costs itself alone.
            let mut batch = Datagrams::new();
            for len in [most, most + 1, 0] {
                batch.push(target.clone(), &vec![7; len]);
            }
            socket.send_batch(&mut batch).await.unwrap();
            // Large ones are written by pieces.
            assert!((1..=2).contains(&(log.written().1 - before)));
        }
        let payloads: usize = sizes.iter().sum();
        assert!((payloads..payloads + 200).contains(&log.written().0.len()));
    }
}

/// HDRLEN has one octet. What cannot be sent is not reported as sent, be it empty.
#[tokio::test]
async fn a_name_that_no_header_has_room_for_is_an_error() {
    let name = |len: usize| {
        let name = "a".repeat(len);
        Address::new(&name, 53).unwrap()
    };
    let (io, log) = Canned::new([""], Then::Waits);
    let mut socket = ProxySocket::over_stream(io, UdpOverTcp::ForwardUdp);
    for len in [249, 255] {
        let target = name(len);
        assert_eq!(socket.max_payload(&target), 0);
        for payload in [&b""[..], b"a"] {
            let error = socket.send_to(payload, &target).await.unwrap_err();
            let ClientError::TooLarge { most: 0, .. } = inner(&error) else {
                panic!("{error:?}");
            };
        }
        let mut batch = Datagrams::new();
        batch.push(target, b"");
        batch.push(address("192.0.2.1:53"), b"next");
        socket.send_batch(&mut batch).await.unwrap();
        assert!(batch.is_empty());
    }
    let written = [forwarded(b"next"), forwarded(b"next")].concat();
    assert_eq!(log.written().0, written);
    // The longest one that has room.
    let target = name(248);
    let most = socket.max_payload(&target);
    assert_eq!(most, 1_500 - 252);
    socket.send_to(&vec![7; most], &target).await.unwrap();
    let header = [&b"\x04\xe0\xff\x03\xf8"[..], &[b'a'; 248], b"\x00\x35"].concat();
    assert!(log.written().0[written.len()..].starts_with(&header));
}

#[tokio::test]
async fn the_largest_datagram_comes_whole_and_a_larger_frame_is_dropped() {
    let frames = [
        addressed(&[1; 65_508]),
        addressed(&[2; 65_535]),
        addressed(&[3; 65_507]),
        addressed(b"next"),
    ];
    let (io, _log) = Canned::new([frames.concat()], Then::Waits);
    let mut socket = ProxySocket::over_stream(io, UdpOverTcp::V1);
    let mut room = vec![0; 65_507];
    let (len, _) = socket.recv_from(&mut room).await.unwrap();
    assert!(room[..len] == [3; 65_507], "{len} octets");
    hears(&mut socket, b"next").await;
}

#[tokio::test]
async fn what_does_not_fit_into_the_buffer_is_dropped() {
    let frames = [addressed(b"too long"), addressed(b"short")];
    let (io, _log) = Canned::new([frames.concat()], Then::Waits);
    let mut socket = ProxySocket::over_stream(io, UdpOverTcp::V1);
    let mut room = [0; 5];
    assert_eq!(socket.recv_from(&mut room).await.unwrap().0, 5);
    assert_eq!(&room, b"short");
}

#[tokio::test]
async fn refusals_keep_their_number() {
    for protocol in ALL {
        for code in 1..=255 {
            let reply = failure(code);
            let (io, log) = Canned::new([HELLO_OK, &reply], Then::Waits);
            let error = Client::new()
                .udp_over_tcp_by(io, protocol)
                .await
                .unwrap_err();
            assert_eq!(reply_code(&error), ReplyCode(code));
            assert!(log.is_dropped());
        }
    }
}

#[tokio::test]
async fn everything_goes_in_one_write_before_the_reply_with_an_optimistic_client() {
    let (io, log) = Canned::new([HELLO_OK, CONNECTED], Then::Waits);
    let client = Client::new().optimistic();
    client.udp_over_tcp_by(io, UdpOverTcp::V1).await.unwrap();
    assert_eq!(log.written(), ([HELLO, V1].concat(), 1));
}

#[tokio::test(start_paused = true)]
async fn sending_waits_while_the_proxy_does_not_read() {
    within(async {
        let (io, mut far) = tokio::io::duplex(16);
        let mut socket = ProxySocket::over_stream(io, UdpOverTcp::V1);
        let sending = tokio::spawn(async move {
            for _ in 0..2 {
                socket.send_to(&[7; 100], "192.0.2.1:53").await.unwrap();
            }
            socket
        });
        settle().await;
        assert!(!sending.is_finished());
        far.hear(&addressed(&[7; 100])).await;
        settle().await;
        assert!(!sending.is_finished());
        far.hear(&addressed(&[7; 100])).await;
        sending.await.unwrap();
    })
    .await;
}

/// A socket over a stream that holds so many octets, and the far end.
fn narrow(room: usize) -> (ProxySocket<DuplexStream>, DuplexStream) {
    let (io, far) = tokio::io::duplex(room);
    (ProxySocket::over_stream(io, UdpOverTcp::V1), far)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_leaves_no_half_of_a_frame() {
    within(async {
        for room in 1..24 {
            let (mut socket, mut far) = narrow(room);
            let first = socket.send_to(b"first one", "192.0.2.1:53");
            assert_eq!(timeout_now(first).await, room >= 18, "{room}");
            // Nothing of the second before the first has left.
            let second = socket.send_to(b"second", "192.0.2.1:53");
            assert!(!timeout_now(second).await, "{room}");
            let sending = tokio::spawn(async move {
                socket.send_to(b"third", "192.0.2.1:53").await.unwrap();
                socket
            });
            far.hear(&addressed(b"first one")).await;
            if room >= 18 {
                far.hear(&addressed(b"second")).await;
            }
            far.hear(&addressed(b"third")).await;
            drop(sending.await.unwrap());
            far.hear_end().await;
        }
    })
    .await;
}

/// Whether a future completes at once.
async fn timeout_now(future: impl Future<Output = io::Result<()>>) -> bool {
    tokio::select! {
        biased;
        done = future => done.map(|()| true).unwrap(),
        () = std::future::ready(()) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_send_has_begun_leaves_while_somebody_receives() {
    within(async {
        let (mut socket, mut far) = narrow(4);
        assert!(!timeout_now(socket.send_to(b"begun", "192.0.2.1:53")).await);
        let receiving = tokio::spawn(async move { hears(&mut socket, b"pong").await });
        far.hear(&addressed(b"begun")).await;
        far.say(&addressed(b"pong")).await;
        receiving.await.unwrap();

        let (socket, mut far) = narrow(4);
        let (mut sender, mut receiver) = socket.into_split();
        assert!(!timeout_now(sender.send_to(b"begun", "192.0.2.1:53")).await);
        let receiving = tokio::spawn(async move { receiver.recv_from(&mut [0; 9]).await });
        far.hear(&addressed(b"begun")).await;
        // The half that sends has its turn again.
        let sending = tokio::spawn(async move { sender.send_to(b"next", "192.0.2.1:53").await });
        far.hear(&addressed(b"next")).await;
        sending.await.unwrap().unwrap();
        far.say(&addressed(b"pong")).await;
        receiving.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn halves_work_on_two_tasks() {
    within(async {
        let (socket, mut far) = narrow(64);
        let (mut sender, mut receiver) = socket.into_split();
        let sending = tokio::spawn(async move {
            for number in 0..200 {
                sender.send_to(&[number; 50], "192.0.2.1:53").await.unwrap();
            }
            sender
        });
        let receiving = tokio::spawn(async move {
            for number in 0..200 {
                let mut room = [0; 100];
                let (len, _) = receiver.recv_from(&mut room).await.unwrap();
                assert_eq!(room[..len], [number; 50]);
            }
            receiver
        });
        // An echo that knows nothing of frames.
        for number in 0..200 {
            far.hear(&addressed(&[number; 50])).await;
            far.say(&addressed(&[number; 50])).await;
        }
        let (sender, receiver) = tokio::join!(sending, receiving);
        drop((sender, receiver));
        far.hear_end().await;
    })
    .await;
}

/// On threads of their own, while every other send is given up after one poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_wakeup_is_lost_between_halves() {
    within(async {
        for room in [1, 7, 57, 1_000] {
            let (socket, far) = narrow(room);
            let (mut sender, mut receiver) = socket.into_split();
            let echo = tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(far);
                tokio::io::copy(&mut read, &mut write).await
            });
            let receiving = tokio::spawn(async move {
                let (mut room, mut latest) = ([0; 100], 0);
                while latest < 999 {
                    let (len, _) = receiver.recv_from(&mut room).await.unwrap();
                    assert_eq!(len, 50);
                    let number = u32::from_be_bytes(room[..4].try_into().unwrap());
                    assert!(number > latest, "{number} after {latest}");
                    assert!(room[4..50] == [7; 46], "{number} is in pieces");
                    latest = number;
                }
                receiver
            });
            for number in 1..1_000_u32 {
                let mut payload = [7; 50];
                payload[..4].copy_from_slice(&number.to_be_bytes());
                let sent = sender.send_to(&payload, "192.0.2.1:53");
                if number % 2 == 0 {
                    timeout_now(sent).await;
                } else {
                    sent.await.unwrap();
                }
            }
            // The association lasts until all is sent.
            drop(receiving.await.unwrap());
            echo.await.unwrap().unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_half_that_receives_keeps_the_association() {
    within(async {
        let (socket, mut far) = narrow(4);
        let (mut sender, receiver) = socket.into_split();
        let sending = tokio::spawn(async move {
            let waits = sender.send_to(b"no room", "192.0.2.1:53").await;
            (waits, sender.send_to(b"", "192.0.2.1:53").await)
        });
        settle().await;
        assert!(!sending.is_finished());
        drop(receiver);
        let (waited, after) = sending.await.unwrap();
        for error in [waited.unwrap_err(), after.unwrap_err()] {
            assert!(
                matches!(inner(&error), ClientError::Closed { .. }),
                "{error:?}"
            );
        }
        // The stream is closed, though the other half is still there.
        assert_eq!(far.hear_rest().await.len(), 4);
    })
    .await;
}
