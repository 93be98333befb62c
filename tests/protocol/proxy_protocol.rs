//! The layer for PROXY headers: who has to send one, who may not, and what becomes of the connection.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    time::{Instant, advance},
};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_socks::{
    HandshakeLayer, NoAuth, Traffic,
    error::{Fault, Step},
    layer::{
        auth::Auth,
        handshake::Handshake,
        proxy_protocol::{ProxyProtocol, ProxyProtocolLayer, Untrusted},
    },
    proto::{Network, ProxyHeader, ProxyTlv, ProxyVersion},
    session::Accepted,
};
use tracing::Level;

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, LOCAL, PEER, Script, ended, exchange,
    log::Log,
    settle, stack,
    targets::{Dialer, targets},
    within,
};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.77 198.51.100.1 40000 1080\r\n";
const CLIENT: &str = "192.0.2.77:40000";

type Stack = ProxyProtocol<Handshake<Auth<NoAuth, Dialer>>>;

/// A layer that trusts the peer of these tests.
fn trusting() -> ProxyProtocolLayer {
    ProxyProtocolLayer::trusting(["203.0.113.0/24".parse().unwrap()])
}

fn behind(layer: &ProxyProtocolLayer, dialer: Dialer) -> Stack {
    layer.layer(stack(NoAuth, dialer))
}

fn header() -> ProxyHeader {
    let (source, destination) = (
        CLIENT.parse().unwrap(),
        "198.51.100.1:1080".parse().unwrap(),
    );
    ProxyHeader::new(ProxyVersion::V2, source, destination)
}

/// A header of either version and all kinds is read wherever it is split, and what is behind it is not lost.
#[tokio::test(start_paused = true)]
async fn p1_split_at_every_octet() {
    within(async {
        let long = header()
            .with_tlv(0xe0, &[7; 3_000])
            .unwrap()
            .with_checksum()
            .unwrap();
        let v2 = header()
            .with_tlv(ProxyTlv::AUTHORITY, b"example.com")
            .unwrap();
        for frame in [LINE.to_vec(), v2.encode(), long.encode()] {
            let all = [&frame, HELLO, CONNECT, b"early"].concat();
            let step = if frame.len() > 1_000 { 97 } else { 1 };
            for at in (0..all.len()).step_by(step) {
                let (dialer, mut dialled) = targets();
                let mut client = Client::new(behind(&trusting(), dialer));
                client.io.say(&all[..at]).await;
                settle().await;
                client.io.say(&all[at..]).await;
                client.io.hear(HELLO_OK).await;
                client.io.hear(CONNECTED).await;
                let (request, mut target) = dialled.recv().await.unwrap();
                assert_eq!(request.peer, CLIENT.parse().unwrap());
                assert_eq!(request.local, LOCAL.parse().unwrap());
                target.hear(b"early").await;
                drop(client.io);
                drop(target);
                assert_eq!(ended(client.session.await.unwrap()), (5, 0));
            }
        }
        let (dialer, _dialled) = targets();
        let mut client = Client::new(behind(&trusting(), dialer));
        client.io.say_bytewise(&v2.encode()).await;
        client.io.say_bytewise(HELLO).await;
        client.io.hear(HELLO_OK).await;
    })
    .await;
}

/// The header with its TLVs reaches requests.
#[tokio::test(start_paused = true)]
async fn p5_tlvs_reach_the_extensions() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(behind(&trusting(), dialer));
        let frame = header()
            .with_tlv(ProxyTlv::AUTHORITY, b"example.com")
            .unwrap();
        client
            .io
            .say(
                &frame
                    .with_tlv(0xe4, b"tenant")
                    .unwrap()
                    .with_checksum()
                    .unwrap()
                    .encode(),
            )
            .await;
        let _client = client.connected().await;
        let (request, _target) = dialled.recv().await.unwrap();
        let header: &ProxyHeader = request.extensions.get().unwrap();
        assert_eq!(header.source(), Some(CLIENT.parse().unwrap()));
        assert_eq!(header.authority(), Some("example.com"));
        assert_eq!(header.tlv(0xe4), Some(&b"tenant"[..]));

        // A wrong checksum.
        let mut frame = header.encode();
        *frame.last_mut().unwrap() ^= 1;
        let (dialer, _dialled) = targets();
        assert_eq!(
            exchange(behind(&trusting(), dialer), &[&frame, HELLO].concat()).await,
            b""
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_destination_is_the_local_address_if_asked_for() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(behind(&trusting().destination_as_local(), dialer));
        client.io.say(LINE).await;
        let _client = client.connected().await;
        let (request, _target) = dialled.recv().await.unwrap();
        assert_eq!(request.local, "198.51.100.1:1080".parse().unwrap());
    })
    .await;
}

/// LOCAL, UNKNOWN and UNSPEC keep the address of the socket.
#[tokio::test(start_paused = true)]
async fn p2_without_an_address_the_socket_has_the_say() {
    within(async {
        let frames = [
            ProxyHeader::local().encode(),
            ProxyHeader::unknown(ProxyVersion::V1).encode(),
            ProxyHeader::unknown(ProxyVersion::V2).encode(),
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
            b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".to_vec(),
        ];
        for frame in frames {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(behind(&trusting().destination_as_local(), dialer));
            client.io.say(&frame).await;
            let _client = client.connected().await;
            let (request, _target) = dialled.recv().await.unwrap();
            assert_eq!(
                (request.peer, request.local),
                (PEER.parse().unwrap(), LOCAL.parse().unwrap())
            );
        }
    })
    .await;
}

/// Checks by a connection alone, with and without a header, fail nowhere.
#[tokio::test(start_paused = true)]
async fn p2_a_health_check_is_no_failure() {
    let (log, _guard) = Log::start(Level::INFO);
    within(async {
        let frames = [
            Vec::new(),
            LINE.to_vec(),
            header().encode(),
            ProxyHeader::local().encode(),
            ProxyHeader::unknown(ProxyVersion::V1).encode(),
        ];
        for frame in frames {
            let (dialer, _dialled) = targets();
            let mut client = Client::new(behind(&trusting(), dialer));
            client.io.say(&frame).await;
            client.io.shutdown().await.unwrap();
            client.io.hear_end().await;
            assert_eq!(client.outcome().await.unwrap(), Traffic::default());
        }
    })
    .await;
    assert_eq!(log.text(), "");
}

/// Whatever else comes from a trusted network ends the connection, without a word.
#[tokio::test(start_paused = true)]
async fn p4_no_header_from_a_trusted_network() {
    within(async {
        let spoilt = {
            let mut frame = header().encode();
            frame[13] = 0x12;
            frame
        };
        let cases = [
            HELLO,
            b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x00\x05hello",
            b"PROXY TCP4 192.0.2.77 198.51.100.1 40000 65536\r\n",
            &spoilt,
        ];
        for octets in cases {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(behind(&trusting(), dialer));
            client.io.say(octets).await;
            client.io.hear_end().await;
            let error = client.outcome().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::ProxyHeader, Fault::Client)
            );
            assert!(dialled.try_recv().is_err());
        }
        // Cut off within.
        for frame in [
            LINE.to_vec(),
            header().encode(),
            header().with_tlv(0xe0, &[0; 2_000]).unwrap().encode(),
        ] {
            for len in [1, frame.len() / 2, frame.len() - 1] {
                let (dialer, _dialled) = targets();
                let mut client = Client::new(behind(&trusting(), dialer));
                client.io.say(&frame[..len]).await;
                client.io.shutdown().await.unwrap();
                assert_eq!(
                    client.outcome().await.unwrap_err().step(),
                    Step::ProxyHeader
                );
            }
        }
    })
    .await;
}

/// A header from anybody else is what it looks like: an octet that no greeting begins with.
#[tokio::test(start_paused = true)]
async fn p3_a_forged_header_is_not_obeyed() {
    within(async {
        let trusting = || ProxyProtocolLayer::trusting(["198.51.100.0/24".parse().unwrap()]);
        let plain = trusting().untrusted(Untrusted::Plain);
        for frame in [LINE.to_vec(), header().encode()] {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(behind(&plain, dialer));
            client.io.say(&frame).await;
            let error = client.outcome().await.unwrap_err();
            assert_eq!(error.step(), Step::Greeting);
            assert!(dialled.try_recv().is_err());
        }
        // Without one it is served, as the peer that it is.
        let (dialer, mut dialled) = targets();
        let _client = Client::new(behind(&plain, dialer)).connected().await;
        assert_eq!(dialled.recv().await.unwrap().0.peer, PEER.parse().unwrap());

        // Refused by default, with nothing read and nothing waited for.
        for said in [LINE, HELLO, b""] {
            let (dialer, _dialled) = targets();
            let started = Instant::now();
            let mut client = Client::new(behind(&trusting(), dialer));
            client.io.say(said).await;
            client.io.hear_end().await;
            let error = client.outcome().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::ProxyHeader, Fault::Refused)
            );
            assert_eq!(started.elapsed(), Duration::ZERO);
        }
        // Nobody is trusted.
        let (dialer, _dialled) = targets();
        let mut client = Client::new(behind(&ProxyProtocolLayer::trusting([]), dialer));
        assert_eq!(client.outcome().await.unwrap_err().fault(), Fault::Refused);
    })
    .await;
}

/// Peers of a Unix socket have no address, and are in no network.
#[tokio::test(start_paused = true)]
async fn unix_sockets_are_a_choice() {
    within(async {
        let any = || ProxyProtocolLayer::trusting(["0.0.0.0/0".parse().unwrap()]);
        let serve = async |layer: ProxyProtocolLayer, said: Vec<u8>| {
            let (dialer, _dialled) = targets();
            let (mut client, near) = tokio::io::duplex(1024);
            let nowhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
            let session = behind(&layer, dialer).oneshot(Accepted::new(near, nowhere, nowhere));
            let session = tokio::spawn(session);
            client.say(&said).await;
            client.shutdown().await.unwrap();
            let heard = client.hear_rest().await;
            drop(session);
            heard
        };
        let said = [LINE, HELLO].concat();
        assert_eq!(serve(any(), said.clone()).await, b"");
        assert_eq!(
            serve(any().trusting_unix_sockets(true), said.clone()).await,
            HELLO_OK
        );
        let none = || ProxyProtocolLayer::trusting([]).trusting_unix_sockets(true);
        assert_eq!(serve(none(), said).await, HELLO_OK);
        assert_eq!(serve(none(), HELLO.to_vec()).await, b"");
    })
    .await;
}

/// One deadline for the header and for what is behind it, however slowly both come.
#[tokio::test(start_paused = true)]
async fn p7_a_header_that_never_ends() {
    let layer = trusting().deadline(Duration::from_secs(10));
    let endless = header().with_tlv(0xe0, &[0; 4_000]).unwrap().encode();
    for (said, step) in [
        (b"".to_vec(), Step::ProxyHeader),
        (endless, Step::ProxyHeader),
        (LINE.to_vec(), Step::Greeting),
    ] {
        let (dialer, _dialled) = targets();
        let started = Instant::now();
        let mut client = Client::new(behind(&layer, dialer));
        tokio::task::yield_now().await;
        for octet in said.iter().take(9) {
            let _ = client.io.write_all(&[*octet]).await;
            advance(Duration::from_secs(1)).await;
        }
        let rest = said.get(9..).unwrap_or_default();
        if step == Step::Greeting {
            client.io.say(rest).await;
        }
        assert_eq!(client.outcome().await.unwrap_err().step(), step);
        assert_eq!(started.elapsed(), Duration::from_secs(10));
    }
    // A longer deadline of the handshake is not cut short by that of the header.
    let (dialer, _dialled) = targets();
    let started = Instant::now();
    let patient = HandshakeLayer::new().deadline(Duration::from_secs(30));
    let patient = patient.layer(stack(NoAuth, dialer).into_inner());
    let mut client = Client::new(layer.layer(patient));
    client.io.say(LINE).await;
    assert_eq!(client.outcome().await.unwrap_err().step(), Step::Greeting);
    assert_eq!(started.elapsed(), Duration::from_secs(30));
}

/// A header is bounded by what it states, before it is there.
#[tokio::test(start_paused = true)]
async fn p1_a_header_that_is_too_long() {
    within(async {
        let frame = |len: usize| {
            header()
                .with_tlv(0xe0, &vec![0; len - 31])
                .unwrap()
                .encode()
        };
        for (layer, most) in [
            (trusting(), 4_096),
            (trusting().longest(200), 200),
            (trusting().longest(60_000), 60_000),
            (trusting().longest(0), 107),
            (trusting().longest(usize::MAX), 65_551 - 24),
        ] {
            let (dialer, _dialled) = targets();
            let mut client = Client::new(behind(&layer, dialer));
            client.io.say(&frame(most)).await;
            client.io.say(HELLO).await;
            client.io.hear(HELLO_OK).await;
            if most > 65_000 {
                continue;
            }
            let (dialer, _dialled) = targets();
            let mut client = Client::new(behind(&layer, dialer));
            client.io.say(&frame(most + 1)[..16]).await;
            client.io.hear_end().await;
            assert_eq!(
                client.outcome().await.unwrap_err().step(),
                Step::ProxyHeader
            );
        }
    })
    .await;
}

/// One line a network and minute, whatever comes; and no octet of it.
#[tokio::test(start_paused = true)]
async fn p4_the_log_says_so_once_a_minute() {
    let (log, _guard) = Log::start(Level::INFO);
    let networks =
        ["203.0.113.0/24", "198.51.100.0/24"].map(|text| text.parse::<Network>().unwrap());
    let (dialer, _dialled) = targets();
    let stack = behind(&ProxyProtocolLayer::trusting(networks), dialer);
    let connect = async |peer: &str, said: &'static [u8]| {
        let (mut client, near) = tokio::io::duplex(1024);
        client.say(said).await;
        let accepted = Accepted::new(near, peer.parse().unwrap(), LOCAL.parse().unwrap());
        stack.clone().oneshot(accepted).await.unwrap_err();
    };
    for _ in 0..50 {
        connect("203.0.113.5:1", b"GET /secret").await;
        connect("198.51.100.9:1", b"\x05\x01\x00").await;
    }
    let lines = log.take();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.lines().all(|line| line.contains("WARN")), "{lines}");
    assert!(
        lines.contains("network=203.0.113.0/24") && lines.contains("sender=203.0.113.5:1"),
        "{lines}"
    );
    assert!(!lines.contains("secret"), "{lines}");
    advance(Duration::from_secs(60)).await;
    connect("203.0.113.5:1", b"GET /secret").await;
    let lines = log.take();
    assert_eq!(lines.lines().count(), 1);
    assert!(lines.contains("suppressed=49"), "{lines}");

    // Everybody else: a few.
    for _ in 0..50 {
        connect("192.0.2.1:1", LINE).await;
    }
    let lines = log.take();
    assert_eq!(lines.lines().count(), 5, "{lines}");
    assert!(lines.lines().all(|line| line.contains("INFO")), "{lines}");
}

/// The layer as a service: what is inside can be had.
#[tokio::test]
async fn the_inner_service() {
    let (dialer, _dialled) = targets();
    let mut service: Stack = behind(&trusting(), dialer);
    let _: &Handshake<_> = service.get_ref();
    let _: &mut Handshake<_> = service.get_mut();
    let _: Handshake<_> = service.into_inner();
    let layer = format!("{:?}", trusting());
    assert!(
        layer.contains("203.0.113.0/24") && layer.contains("Refuse"),
        "{layer}"
    );
    let _ = ServiceBuilder::new().layer(trusting());
}
