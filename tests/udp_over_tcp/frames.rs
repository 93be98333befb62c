//! O1 to O8: the dialogues, octet by octet.

use tower_socks::{Connector, Traffic, relay::RelayErrorKind};

use crate::{
    support::{
        Script,
        udp::{
            Client, address,
            association::{receive, socket},
            within,
        },
    },
    tunnel::{MODES, Mode, Tunnel, at, relay_error, stack},
};

#[tokio::test]
async fn o1_to_o3_datagrams_go_and_come_in_frames() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack(Connector::direct()), &at(&target)).await;
            tunnel.echo(&target, b"ping").await;
            tunnel.echo(&target, b"").await;
            tunnel.echo(&target, b"pong!").await;
            let traffic = tunnel.close().await.unwrap();
            assert_eq!(traffic, Traffic { up: 9, down: 9 }, "{mode:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn o5_frames_may_come_with_the_request() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let dst = at(&target);
            let mut client = Client::new(stack(Connector::direct())).await;
            let all = [
                b"\x05\x01\x00".to_vec(),
                mode.request(),
                mode.first(&dst),
                mode.frame(&dst, b"one"),
                mode.frame(&dst, b"two"),
            ];
            client.io.say(&all.concat()).await;
            client.io.hear(b"\x05\x00").await;
            client.io.hear(b"\x05\x00\x00\x01\0\0\0\0\0\0").await;
            assert_eq!(receive(&target).await.0, b"one");
            let (heard, source) = receive(&target).await;
            assert_eq!(heard, b"two");
            target.send_to(b"three", source).await.unwrap();
            let answer = mode.frame(&address(target.local_addr().unwrap()), b"three");
            client.io.hear(&answer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn o6_frames_are_cut_at_every_octet() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let dst = at(&target);
            let first = mode.first(&dst);
            let dialogue = [first, mode.frame(&dst, b"one"), mode.frame(&dst, b"two")].concat();
            for cut in 1..dialogue.len() {
                let mut tunnel = Tunnel::new(mode, stack(Connector::direct())).await;
                let (one, other) = dialogue.split_at(cut);
                tunnel.client.io.say(one).await;
                tokio::task::yield_now().await;
                tunnel.client.io.say(other).await;
                assert_eq!(receive(&target).await.0, b"one", "{mode:?} at {cut}");
                assert_eq!(receive(&target).await.0, b"two", "{mode:?} at {cut}");
                let traffic = tunnel.close().await.unwrap();
                assert_eq!(traffic, Traffic { up: 6, down: 0 });
            }
        }
    })
    .await;
}

#[tokio::test]
async fn o7_a_malformed_frame_ends_the_tunnel_behind_those_before_it() {
    within(async {
        for (mode, octets, error) in [
            (
                Mode::V1,
                &b"\x03\x01a\0\x35\0\0"[..],
                "unknown address type 0x03",
            ),
            (Mode::V2, b"\x04\0\0", "unknown address type 0x04"),
            (
                Mode::ForwardUdp,
                b"\0\0\x0a\x02",
                "unknown address type 0x02",
            ),
            (
                Mode::ForwardUdp,
                b"\0\0\x0b\x01\x7f\0\0\x01\0\x35",
                "HDRLEN is 11, of a header of 10 octets",
            ),
        ] {
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack(Connector::direct()), &at(&target)).await;
            let frame = mode.frame(&at(&target), b"good");
            tunnel.client.io.say(&[&frame, octets].concat()).await;
            assert_eq!(receive(&target).await.0, b"good");
            let ended = tunnel.client.outcome().await.unwrap_err();
            let (relayed, text) = relay_error(&ended);
            assert_eq!(relayed.kind(), RelayErrorKind::Client);
            assert_eq!(relayed.traffic(), Traffic { up: 4, down: 0 });
            let expected = format!(": malformed frame of UDP over TCP: {error}");
            assert!(text.ends_with(&expected), "{text}");
            tunnel.client.io.hear_end().await;
        }
    })
    .await;
}
