//! O9: what a client does not read is bounded and counted; what the transport does not take, or meters hold back,
//! stops the client, and nothing is lost for that.

use std::{
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    time::timeout,
};
use tower_socks::{
    io::{Direction, Meter},
    proto::UdpOverTcp,
    relay::{RelayError, RelayErrorKind},
};
use tracing::Level;

use crate::{
    memory::{Far, associate, run, run_on},
    support::{
        Script,
        log::Log,
        settle,
        udp::{address, ear::Ear},
        within,
    },
    tunnel::Mode,
};

const HOST: &str = "192.0.2.1:53";

fn frame(payload: &[u8]) -> Vec<u8> {
    Mode::V1.frame(&address(HOST.parse().unwrap()), payload)
}

/// Datagrams that differ, of one size. Each is 109 octets in its frame.
fn payload(number: usize) -> Vec<u8> {
    let mut payload = vec![b'.'; 100];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    payload
}

#[tokio::test(start_paused = true)]
async fn what_the_client_does_not_read_is_bounded_in_octets_and_counted() {
    within(async {
        let (log, _guard) = Log::start(Level::DEBUG);
        for at_once in [1, 8, 1_000] {
            let (far, ear) = (Far::default(), Ear::default());
            let associate = associate(&far).backlog(1_000);
            // The pipe holds less than a frame.
            let (mut client, _running) = run(associate, UdpOverTcp::V1, ear.clone(), 64).await;
            for number in 0..1_000 {
                far.answer(HOST, &payload(number));
                if (number + 1) % at_once == 0 {
                    settle().await;
                    // However much is dropped, no socket is left unread.
                    assert_eq!(far.unread(), 0);
                }
            }
            let dropped = ear.drops();
            let [("overflow", dropped)] = *dropped else {
                panic!("{dropped:?}");
            };
            let kept = 1_000 - dropped;
            // Of the first, 64 octets have left.
            assert_eq!(kept, (1_000 + 64) / 109, "{at_once} at once");

            // The client reads again: whole frames, of the first that came.
            for number in 0..kept {
                client.hear(&frame(&payload(number))).await;
            }
            far.answer(HOST, b"and on");
            client.hear(&frame(b"and on")).await;
            assert_eq!(ear.drops(), [("overflow", dropped)]);
            let heard = ear.0.lock().unwrap().clone();
            // What there is no room for is not counted as received, but for a batch that comes as there is some.
            let counted = if at_once == 1_000 { 1_001 } else { kept + 1 };
            assert_eq!(heard.datagrams.get("down"), Some(&counted));

            let log = log.take();
            let lines = log.matches("the client does not read").count();
            assert_eq!(lines, 1, "{log}");
        }
    })
    .await;
}

/// The buffers of the system are not where frames wait: they would hold megabytes for each client, all of them old.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_keeps_little_for_a_client_that_does_not_read() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let client = socket.connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (far, ear) = (Far::default(), Ear::default());
        let near = accepted.unwrap().0;
        let running = run_on(associate(&far), UdpOverTcp::V1, ear.clone(), near).await;

        let (sent, large) = (4_000, vec![7; 2_000]);
        for number in 0..sent {
            far.answer(HOST, &large);
            while number % 10 == 0 && far.unread() > 0 {
                tokio::task::yield_now().await;
            }
        }
        while far.unread() > 0 {
            tokio::task::yield_now().await;
        }
        let dropped: usize = ear.drops().iter().map(|(_, count)| count).sum();
        let kept = (sent - dropped) * large.len();
        assert!(
            kept < 1024 * 1024,
            "{kept} octets of {} wait",
            sent * large.len()
        );
        drop(client);
        let _ = running.await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_every_frame() {
    within(async {
        let (far, ear) = (Far::default(), Ear::default());
        let associate = associate(&far);
        let (mut client, _running) = run(associate, UdpOverTcp::V1, ear.clone(), 64).await;
        let mut expected = Vec::new();
        for number in 0..100 {
            far.answer(HOST, &payload(number));
            expected.extend(frame(&payload(number)));
        }
        let mut heard = vec![0; expected.len()];
        for octets in heard.chunks_mut(13) {
            client.read_exact(octets).await.unwrap();
            settle().await;
        }
        assert!(heard == expected);
        assert_eq!(ear.drops(), []);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_was_begun_is_kept_whatever_its_size() {
    within(async {
        let (far, ear) = (Far::default(), Ear::default());
        let associate = associate(&far).backlog(0);
        let (mut client, _running) = run(associate, UdpOverTcp::V1, ear.clone(), 64).await;
        let large = vec![7; 60_000];
        for _ in 0..3 {
            far.answer(HOST, &large);
            far.answer(HOST, b"lost");
            settle().await;
            far.answer(HOST, b"lost");
            settle().await;
            client.hear(&frame(&large)).await;
        }
        far.answer(HOST, b"small");
        client.hear(&frame(b"small")).await;
        assert_eq!(ear.drops(), [("overflow", 6)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_transport_does_not_take_stops_the_client() {
    within(async {
        for (protocol, mode) in [
            (UdpOverTcp::V1, Mode::V1),
            (UdpOverTcp::V2, Mode::Connected),
            (UdpOverTcp::ForwardUdp, Mode::ForwardUdp),
        ] {
            let (far, ear) = (Far::default(), Ear::default());
            let (mut client, _running) = run(associate(&far), protocol, ear.clone(), 1_000).await;
            far.stall(true);
            let to = address(HOST.parse().unwrap());
            let mut said = mode.first(&to);
            for number in 0..20_000 {
                said.extend(mode.frame(&to, &payload(number)));
            }
            let mut rest = &said[..];
            let said = client.write_all_buf(&mut rest);
            assert!(timeout(Duration::from_secs(5), said).await.is_err());
            let taken = said_len(rest, &mode, &to);
            // What one read brings, and the pipe.
            assert!(taken <= 64 * 1024 + 1_000, "{taken} octets");
            // Datagrams come back all the while.
            far.answer(HOST, b"down");
            client.hear(&mode.frame(&to, b"down")).await;

            far.stall(false);
            client.write_all_buf(&mut rest).await.unwrap();
            settle().await;
            let sent = far.sent();
            assert_eq!(sent.len(), 20_000);
            for (number, (destination, sent)) in sent.iter().enumerate() {
                assert_eq!(destination, HOST);
                assert!(*sent == payload(number));
            }
            assert_eq!(ear.drops(), []);
        }
    })
    .await;
}

/// Octets that were taken of those that leave `rest`.
fn said_len(rest: &[u8], mode: &Mode, to: &[u8]) -> usize {
    let all = mode.first(to).len() + 20_000 * mode.frame(to, &payload(0)).len();
    all - rest.len()
}

/// Grants so many octets up, and then nothing until it is told to.
#[derive(Clone, Debug, Default)]
struct Grants(Arc<Mutex<(usize, Option<Waker>)>>, Ear);

impl Grants {
    fn grant(&self, octets: usize) {
        let mut state = self.0.lock().unwrap();
        state.0 += octets;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl Meter for Grants {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        match (direction, state.0) {
            (Direction::Down, _) => Poll::Ready(Ok(usize::MAX)),
            (Direction::Up, 0) => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
            (Direction::Up, octets) => Poll::Ready(Ok(octets)),
        }
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        if direction == Direction::Up {
            let left = &mut self.0.lock().unwrap().0;
            *left = left.saturating_sub(bytes);
        }
        self.1.moved(direction, bytes);
    }

    fn dropped(&mut self, reason: tower_socks::io::DropReason, count: usize) {
        self.1.dropped(reason, count);
    }
}

#[tokio::test(start_paused = true)]
async fn meters_hold_datagrams_back_and_drop_none() {
    within(async {
        let (far, grants) = (Far::default(), Grants::default());
        let (mut client, _running) =
            run(associate(&far), UdpOverTcp::V1, grants.clone(), 1 << 20).await;
        let frames: Vec<u8> = (0..1_000).flat_map(|it| frame(&payload(it))).collect();
        client.say(&frames).await;
        settle().await;
        assert_eq!(far.sent().len(), 0);
        let mut sent = Vec::new();
        // A datagram is granted, three, and part of one, which comes whole.
        for (granted, datagrams) in [(100, 1), (300, 3), (1, 1), (50, 1), (110, 2)] {
            grants.grant(granted);
            settle().await;
            let now = far.sent();
            assert_eq!(now.len(), datagrams, "{granted} octets");
            sent.extend(now);
            // Answers are not held back.
            far.answer(HOST, b"down");
            client.hear(&crate::back_pressure::frame(b"down")).await;
        }
        grants.grant(1 << 20);
        settle().await;
        sent.extend(far.sent());
        let sent: Vec<_> = sent.into_iter().map(|(_, payload)| payload).collect();
        let expected: Vec<_> = (0..1_000).map(payload).collect();
        assert!(sent == expected);
        assert_eq!(grants.1.drops(), []);
    })
    .await;
}

/// A client cannot send past its bandwidth, or its quota, by frames that are dropped for their names.
#[tokio::test(start_paused = true)]
async fn frames_for_names_that_are_none_are_metered() {
    within(async {
        let (far, grants) = (Far::default(), Grants::default());
        let (mut client, _running) = run(associate(&far), UdpOverTcp::V1, grants.clone(), 64).await;
        let garbage = [&b"\x02\x01 \0\x35\xff\xff"[..], &[0; 65_535]].concat();
        let saying = tokio::spawn(async move {
            for _ in 0..100 {
                client.say(&garbage).await;
            }
        });
        grants.grant(1);
        settle().await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(grants.1.drops(), [("malformed", 1)]);
        assert!(!saying.is_finished());
        grants.grant(65_536);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(grants.1.drops(), [("malformed", 3)]);
        assert!(far.sent().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn empty_datagrams_in_masses_come_through() {
    within(async {
        let far = Far::default();
        let (mut client, running) =
            run(associate(&far), UdpOverTcp::V2, Ear::default(), 1 << 20).await;
        let to = address(HOST.parse().unwrap());
        client.say(&Mode::Connected.first(&to)).await;
        client.say(&vec![0; 100_000]).await;
        client.say(&Mode::Connected.frame(&to, b"last")).await;
        client.shutdown().await.unwrap();
        assert_eq!(running.await.unwrap().unwrap().up, 4);
        let sent = far.sent();
        assert_eq!(sent.len(), 50_001);
        assert_eq!(sent[50_000].1, b"last");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_as_it_is_written_ends_the_tunnel() {
    within(async {
        let far = Far::default();
        let (client, running) = run(associate(&far), UdpOverTcp::V1, Ear::default(), 64).await;
        drop(client);
        far.answer(HOST, b"to nobody");
        // The end of the stream is as good: whichever is met first.
        if let Err(error) = running.await.unwrap() {
            let error = error
                .get_ref()
                .unwrap()
                .downcast_ref::<RelayError>()
                .unwrap();
            assert_eq!(error.kind(), RelayErrorKind::Client);
        }
    })
    .await;
}
