//! O7 and O10: the end of the stream, faults in it, and silence.

use std::{io, time::Duration};

use futures_util::FutureExt;
use tokio::{io::AsyncWriteExt, net::UdpSocket, time::Instant};
use tower::{Service, ServiceExt};
use tower_socks::{
    Connector, Traffic, Tunnel as _,
    connector::associate::Associate,
    io::PrefixedStream,
    proto::UdpOverTcp,
    relay::{RelayError, RelayErrorKind},
};

use crate::{
    memory::{Far, associate, request, run},
    support::{
        Script, failure, settle,
        udp::{Client, address, association::socket, ear::Ear, name, pass, within},
        within_an_hour,
    },
    tunnel::{MODES, Mode, Tunnel, at, relay_error, stack},
};

const MINUTE: Duration = Duration::from_secs(60);

fn ended(outcome: io::Result<Traffic>) -> (RelayErrorKind, String) {
    let error = outcome.unwrap_err();
    let error = error
        .get_ref()
        .unwrap()
        .downcast_ref::<RelayError>()
        .unwrap();
    let source = std::error::Error::source(error);
    let text = source.map(ToString::to_string).unwrap_or_default();
    (error.kind(), text)
}

#[tokio::test]
async fn o10_the_end_of_the_stream_ends_the_association() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack(Connector::direct()), &at(&target)).await;
            let source = tunnel.echo(&target, b"ping").await;
            // What was said before it arrives.
            tunnel.say(&at(&target), b"last").await;
            tunnel.close().await.unwrap();
            let (heard, _) = crate::support::udp::association::receive(&target).await;
            assert_eq!(heard, b"last");
            UdpSocket::bind(("127.0.0.1", source.port()))
                .await
                .expect("the port is free");
        }
    })
    .await;
}

#[tokio::test]
async fn o10_a_client_that_says_nothing_ends_in_peace_and_a_reset_does_not() {
    within(async {
        for mode in MODES {
            let tunnel = Tunnel::new(mode, stack(Connector::direct())).await;
            assert_eq!(tunnel.close().await.unwrap(), Traffic::default());
            let tunnel = Tunnel::new(mode, stack(Connector::direct())).await;
            let error = tunnel.client.reset().await.unwrap_err();
            assert_eq!(relay_error(&error).0.kind(), RelayErrorKind::Client);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn o7_an_end_within_a_frame_is_a_fault() {
    within_an_hour(async {
        let to = address("192.0.2.1:53".parse().unwrap());
        for (protocol, mode) in [
            (UdpOverTcp::V1, Mode::V1),
            (UdpOverTcp::V2, Mode::V2),
            (UdpOverTcp::V2, Mode::Connected),
            (UdpOverTcp::ForwardUdp, Mode::ForwardUdp),
        ] {
            let first = mode.first(&to);
            let said = [&first, &mode.frame(&to, b"one")[..]].concat();
            for cut in 0..=said.len() {
                let far = Far::default();
                let (mut client, running) =
                    run(associate(&far), protocol, Ear::default(), 64).await;
                client.write_all(&said[..cut]).await.unwrap();
                drop(client);
                let outcome = running.await.unwrap();
                if cut == 0 || cut == first.len() || cut == said.len() {
                    let up = if cut == said.len() { 3 } else { 0 };
                    assert_eq!(outcome.unwrap(), Traffic { up, down: 0 });
                    continue;
                }
                assert_eq!(
                    outcome.as_ref().unwrap_err().kind(),
                    io::ErrorKind::UnexpectedEof
                );
                let expected = "end of the stream within a frame of UDP over TCP";
                assert_eq!(
                    ended(outcome),
                    (RelayErrorKind::Client, expected.to_owned())
                );
                assert_eq!(far.sent(), []);
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn o7_a_request_of_version_2_that_is_none_is_a_fault() {
    within_an_hour(async {
        for (said, text) in [
            (b"\x01\x02".to_vec(), "unknown address type 0x02"),
            (b"\x00\x00".to_vec(), "unknown address type 0x00"),
            ([&[1], &name("a<b", 9)[..]].concat(), "octet"),
        ] {
            let far = Far::default();
            let (mut client, running) =
                run(associate(&far), UdpOverTcp::V2, Ear::default(), 64).await;
            client.say(&said).await;
            let outcome = running.await.unwrap();
            assert_eq!(
                outcome.as_ref().unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
            let (kind, message) = ended(outcome);
            assert_eq!(
                (kind, &*message),
                (RelayErrorKind::Client, "malformed frame of UDP over TCP"),
                "{text}"
            );
            client.hear_end().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_means_nothing_may_be_anything() {
    within(async {
        // Where each frame has an address, that of the request has no meaning, and any octet but 0 connects.
        let to = address("192.0.2.1:53".parse().unwrap());
        for destination in [
            name("", 0),
            name("a<b", 9),
            address("[::]:0".parse().unwrap()),
        ] {
            let far = Far::default();
            let (mut client, _running) =
                run(associate(&far), UdpOverTcp::V2, Ear::default(), 64).await;
            client
                .say(&[&[0], &destination[..], &Mode::V2.frame(&to, b"one")].concat())
                .await;
            settle().await;
            assert_eq!(far.sent(), [("192.0.2.1:53".to_owned(), b"one".to_vec())]);
        }
        for octet in [1, 2, 255] {
            let far = Far::default();
            let (mut client, _running) =
                run(associate(&far), UdpOverTcp::V2, Ear::default(), 64).await;
            client
                .say(&[&[octet], &to[..], &Mode::Connected.frame(&to, b"one")].concat())
                .await;
            settle().await;
            assert_eq!(far.sent(), [("192.0.2.1:53".to_owned(), b"one".to_vec())]);
        }
    })
    .await;
}

#[tokio::test]
async fn a13_silence_ends_the_association() {
    within_an_hour(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let connector =
                Connector::direct().with_associate(Associate::new().idle_timeout(MINUTE));
            let mut tunnel = Tunnel::to(mode, stack(connector), &at(&target)).await;
            for _ in 0..3 {
                let source = tunnel.echo(&target, b"").await;
                pass(40).await;
                // No sign of the client's life.
                target.send_to(b"more", source).await.unwrap();
                tunnel.hear(target.local_addr().unwrap(), b"more").await;
            }
            pass(30).await;
            let ended = tunnel.client.outcome().await.unwrap_err();
            let (error, text) = relay_error(&ended);
            assert_eq!(error.kind(), RelayErrorKind::Idle, "{text}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a13_octets_that_are_no_frame_yet_are_no_sign_of_life() {
    within_an_hour(async {
        let to = address("192.0.2.1:53".parse().unwrap());
        for (protocol, mode) in [
            (UdpOverTcp::V1, Mode::V1),
            // In the request, too.
            (UdpOverTcp::V2, Mode::Connected),
            (UdpOverTcp::ForwardUdp, Mode::ForwardUdp),
        ] {
            let far = Far::default();
            let associate = associate(&far).idle_timeout(MINUTE);
            let (mut client, running) = run(associate, protocol, Ear::default(), 64).await;
            let began = Instant::now();
            let said = [mode.first(&to), mode.frame(&to, &[7; 1_000])].concat();
            for octet in said {
                if client.write_all(&[octet]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(7)).await;
            }
            assert_eq!(ended(running.await.unwrap()).0, RelayErrorKind::Idle);
            let limit = match mode {
                // The request is one.
                Mode::Connected => Duration::from_secs(8 * 7) + MINUTE,
                _ => MINUTE,
            };
            assert!(
                began.elapsed() <= limit + Duration::from_secs(8),
                "{:?}",
                began.elapsed()
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn o10_a_client_that_closes_behind_a_transport_that_is_stuck_is_waited_for_a_moment() {
    within(async {
        let to = address("192.0.2.1:53".parse().unwrap());
        for recovers in [false, true] {
            let far = Far::default();
            let (mut client, running) =
                run(associate(&far), UdpOverTcp::V1, Ear::default(), 1_000).await;
            far.stall(true);
            client.say(&Mode::V1.frame(&to, b"one")).await;
            settle().await;
            client.say(&Mode::V1.frame(&to, b"two")).await;
            let closed = Instant::now();
            drop(client);
            if recovers {
                tokio::time::sleep(Duration::from_secs(4)).await;
                assert!(!running.is_finished());
                far.stall(false);
            }
            let traffic = running.await.unwrap().unwrap();
            assert_eq!(closed.elapsed().as_secs(), if recovers { 4 } else { 5 });
            let payloads: Vec<_> = far.sent().into_iter().map(|(_, payload)| payload).collect();
            match recovers {
                true => {
                    assert_eq!(payloads, [b"one", b"two"]);
                    assert_eq!(traffic.up, 6);
                }
                false => assert_eq!((payloads.len(), traffic.up), (0, 3)),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a13_associations_per_client_are_bounded_together_with_others() {
    within(async {
        let connector = Connector::direct().with_associate(Associate::new().per_client(2));
        let stack = stack(connector);
        let target = socket("127.0.0.1").await;
        for mode in MODES {
            let other = crate::support::udp::association::Association::new(stack.clone()).await;
            let mut tunnel = Tunnel::to(mode, stack.clone(), &at(&target)).await;
            tunnel.echo(&target, b"ping").await;
            let mut refused = Client::new(stack.clone()).await;
            refused.io.say(b"\x05\x01\x00").await;
            refused.io.hear(b"\x05\x00").await;
            refused.io.say(&mode.request()).await;
            refused.io.hear(&failure(2)).await;
            // The place is free by the time that the client hears of the end.
            tunnel.client.io.shutdown().await.unwrap();
            tunnel.client.io.hear_end().await;
            let again = Tunnel::new(mode, stack.clone()).await;
            other.lingering_close().await.unwrap();
            again.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_dropped_gives_its_place_back() {
    within(async {
        let mut service = associate(&Far::default()).per_client(1);
        for polls in 0..4 {
            let tunnel = service
                .ready()
                .await
                .unwrap()
                .call(request(UdpOverTcp::V2))
                .await
                .unwrap();
            let refused = service
                .ready()
                .await
                .unwrap()
                .call(request(UdpOverTcp::V2))
                .await;
            refused.unwrap_err();
            let (mut client, near) = tokio::io::duplex(64);
            client.say(b"\x01\x01\x7f\0\0\x01").await;
            let mut running = Box::pin(tunnel.run(PrefixedStream::new(near)));
            for _ in 0..polls {
                assert!(running.as_mut().now_or_never().is_none());
                client.say(b"\0").await;
            }
        }
        service.call(request(UdpOverTcp::V2)).await.unwrap();
    })
    .await;
}
