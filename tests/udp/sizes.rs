//! A9: datagrams of all sizes, alone and many at once, arrive whole and in order.

use std::{io::IoSliceMut, net::SocketAddr, time::Duration};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::time::{MissedTickBehavior, interval};
use tower_socks::Connector;

use crate::support::{
    has_ipv6,
    udp::{
        address,
        association::{Association, assert_same, datagram, receive, send_at_once, socket},
        skipped, stack, within,
    },
};

async fn association() -> Association {
    Association::new(stack(Connector::direct())).await
}

/// `size` octets that no other datagram has.
fn payload(number: usize, size: usize) -> Vec<u8> {
    let start = number.to_be_bytes();
    let octets = start.iter().copied().chain((0..=255).cycle());
    octets.take(size).collect()
}

#[tokio::test]
async fn a9_the_largest_datagrams_pass_whole() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        // 65,507 octets less the header, and the sizes around those at which batches end.
        for size in [
            1, 1199, 1200, 1201, 1472, 1473, 9000, 16_384, 65_496, 65_497,
        ] {
            association.echo(&target, &payload(size, size)).await;
        }
        if has_ipv6() {
            let target = socket("::1").await;
            for size in [1, 1200, 1452, 1453, 9000, 65_484, 65_485] {
                association.echo(&target, &payload(size, size)).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a9_an_answer_that_does_not_fit_is_dropped_and_not_cut() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        for size in [65_498, 65_507] {
            target.send_to(&payload(1, size), out).await.unwrap();
            association.echo(&target, b"ping").await;
        }
        if has_ipv6() {
            let target = socket("::1").await;
            let out = association.echo(&target, b"ping").await;
            for size in [65_486, 65_507, 65_527] {
                target.send_to(&payload(1, size), out).await.unwrap();
                association.echo(&target, b"ping").await;
            }
        }
    })
    .await;
}

/// Sends bursts of these sizes to two targets by turns, and has all of it echoed.
async fn bursts(sizes: &[usize], pattern: &[usize]) {
    let association = association().await;
    let targets = [socket("127.0.0.1").await, socket("127.0.0.2").await];
    let to = targets
        .each_ref()
        .map(|target| address(target.local_addr().unwrap()));
    let mut number = 0;
    for burst in 0..10 {
        let mut sent = [Vec::new(), Vec::new()];
        for (step, size) in sizes.iter().enumerate() {
            let turn = pattern[(burst + step) % pattern.len()];
            let payload = payload(number, *size);
            let whole = datagram(0, &to[turn], &payload);
            send_at_once(&association.udp, &whole, association.relay);
            sent[turn].push(payload);
            number += 1;
        }
        // Answers wait for one another, so that they are a burst as well.
        let mut answers = Vec::new();
        for (target, sent) in targets.iter().zip(&sent) {
            for payload in sent {
                let (heard, source) = receive(target).await;
                assert_same(&heard, payload);
                answers.push((target, heard, source));
            }
        }
        for (target, answer, source) in &answers {
            send_at_once(target, answer, *source);
        }
        let mut expected = sent.map(Vec::into_iter);
        for _ in &answers {
            let (heard, _) = receive(&association.udp).await;
            let turn = usize::from(!heard.starts_with(&datagram(0, &to[0], b"")));
            let payload = expected[turn].next().unwrap();
            assert_same(&heard, &datagram(0, &to[turn], &payload));
        }
    }
}

#[tokio::test]
async fn a9_mixed_sizes_to_two_targets_arrive_whole_and_in_order() {
    within(bursts(
        &[
            0, 1, 1199, 1199, 1200, 1200, 1200, 1201, 1201, 1400, 9000, 0, 0, 1, 1, 1200, 1200, 7,
            1190, 1190, 1190, 1191, 1190, 3,
        ],
        &[0, 0, 1, 0, 1, 1, 1],
    ))
    .await;
}

#[tokio::test]
async fn a9_a_run_of_one_size_arrives_whole_and_in_order() {
    within(async {
        for size in [1, 8, 100, 1189, 1190, 1191, 1200, 1201] {
            let count = (60_000 / size).min(70);
            bursts(&vec![size; count], &[0]).await;
            bursts(&vec![size; count], &[0, 1]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a9_a_run_that_shrinks_or_grows_arrives_whole_and_in_order() {
    within(async {
        let shrinking: Vec<usize> = (0..40).rev().map(|step| step * 30).collect();
        bursts(&shrinking, &[0]).await;
        let growing: Vec<usize> = (0..40).map(|step| step * 30).collect();
        bursts(&growing, &[0]).await;
        let teeth: Vec<usize> = (0..40).map(|step| 100 + (step % 4 / 3) * 50).collect();
        bursts(&teeth, &[0]).await;
    })
    .await;
}

#[tokio::test]
async fn a9_what_a_client_sends_in_one_call_is_taken_apart() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"the port is known").await;
        let to = address(target.local_addr().unwrap());
        let state = UdpSocketState::new((&association.udp).into()).unwrap();
        if state.max_gso_segments() == 1 {
            skipped("this system sends one datagram at a time");
            return;
        }
        for size in [20, 500, 1000] {
            let mut contents = Vec::new();
            for number in 0..20 {
                contents.extend(datagram(0, &to, &payload(number, size)));
            }
            contents.extend(datagram(0, &to, b"the last one"));
            let transmit = Transmit {
                destination: association.relay,
                ecn: None,
                contents: &contents,
                segment_size: Some(10 + size),
                src_ip: None,
            };
            state
                .try_send((&association.udp).into(), &transmit)
                .unwrap();
            for number in 0..20 {
                association.reaches(&target, &payload(number, size)).await;
            }
            association.reaches(&target, b"the last one").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a9_a_target_that_sends_in_one_call_is_heard_in_full() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        let state = UdpSocketState::new((&target).into()).unwrap();
        if state.max_gso_segments() == 1 {
            skipped("this system sends one datagram at a time");
            return;
        }
        let contents: Vec<u8> = (0..20).flat_map(|number| payload(number, 1_000)).collect();
        let transmit = Transmit {
            destination: out,
            ecn: None,
            contents: &contents,
            segment_size: Some(1_000),
            src_ip: None,
        };
        state.try_send((&target).into(), &transmit).unwrap();
        for number in 0..20 {
            association.hear(&target, &payload(number, 1_000)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a9_a_client_that_can_take_many_at_once_gets_them_whole() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        // From here on the system may hand the client several in one.
        let state = UdpSocketState::new((&association.udp).into()).unwrap();
        for number in 0..30 {
            send_at_once(&target, &payload(number, 700), out);
        }
        let to = address(target.local_addr().unwrap());
        let mut number = 0;
        let mut room = vec![0; 70_000];
        while number < 30 {
            association.udp.readable().await.unwrap();
            let mut meta = [RecvMeta::default()];
            let received = association.udp.try_io(tokio::io::Interest::READABLE, || {
                let mut slots = [IoSliceMut::new(&mut room)];
                state.recv((&association.udp).into(), &mut slots, &mut meta)
            });
            if received.is_err() {
                continue; // not readable after all
            }
            for heard in room[..meta[0].len].chunks(meta[0].stride) {
                assert_same(heard, &datagram(0, &to, &payload(number, 700)));
                number += 1;
            }
        }
    })
    .await;
}

/// Two thousand datagrams, ten each millisecond, and everyone of them comes back.
#[tokio::test]
async fn a9_a_steady_stream_loses_nothing() {
    const COUNT: usize = 2_000;
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let echo = async {
            loop {
                let (heard, source) = receive(&target).await;
                target.send_to(&heard, source).await.unwrap();
            }
        };
        let to = address(target.local_addr().unwrap());
        let paced = async {
            let mut ticks = interval(Duration::from_millis(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut sent, mut heard) = (0, 0);
            while heard < COUNT {
                tokio::select! {
                    biased;
                    (echo, _) = receive(&association.udp) => {
                        assert_same(&echo, &datagram(0, &to, &payload(heard, 100)));
                        heard += 1;
                    }
                    // A machine that is busy elsewhere must not overflow the queues.
                    _ = ticks.tick(), if sent < COUNT && sent - heard < 100 => {
                        for number in sent..sent + 10 {
                            let whole = datagram(0, &to, &payload(number, 100));
                            send_at_once(&association.udp, &whole, association.relay);
                        }
                        sent += 10;
                    }
                }
            }
        };
        tokio::select! {
            () = paced => {}
            () = echo => {}
        }
        let traffic = association.lingering_close().await.unwrap();
        let each = u64::try_from(COUNT * 100).unwrap();
        assert_eq!((traffic.up, traffic.down), (each, each));
    })
    .await;
}

/// Both directions are full at the same time.
#[tokio::test]
async fn a9_neither_direction_waits_for_the_other() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let out: SocketAddr = association.echo(&target, b"ping").await;
        let to = address(target.local_addr().unwrap());
        for burst in 0..50 {
            for number in 0..40 {
                let up = datagram(0, &to, &payload(number, 200 + burst));
                send_at_once(&association.udp, &up, association.relay);
                send_at_once(&target, &payload(number, 100 + burst), out);
            }
            for number in 0..40 {
                let (up, down) = (payload(number, 200 + burst), payload(number, 100 + burst));
                association.reaches(&target, &up).await;
                association.hear(&target, &down).await;
            }
        }
    })
    .await;
}
