//! N3: ends, resets and bulk data of a CONNECT over sockets.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower_socks::{Connector, NoAuth};

use crate::support::{
    Client, Script, connect_to, greeted, proxy, settle, stack, success, targets::targets, within,
};

const MIB: usize = 1024 * 1024;

/// Both ends of a tunnel.
async fn tunnel() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let proxy = proxy(stack(NoAuth, Connector::direct())).await;
    let mut client = greeted(proxy).await;
    client.say(&connect_to(&address)).await;
    let (target, peer) = listener.accept().await.unwrap();
    client.hear(&success(peer)).await;
    (client, target)
}

/// Both ends of a tunnel, in either order.
async fn tunnels() -> [(TcpStream, TcpStream); 2] {
    let (client, target) = tunnel().await;
    let (other_client, other_target) = tunnel().await;
    [(client, target), (other_target, other_client)]
}

/// A pattern whose period fits into no buffer, so that a piece out of place shows.
fn pattern(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(65_521).collect()
}

async fn send(to: &mut (impl AsyncWrite + Unpin), seed: u32, len: usize) {
    let pattern = pattern(seed);
    let mut left = len;
    while left > 0 {
        let piece = &pattern[..left.min(pattern.len())];
        to.write_all(piece).await.unwrap();
        left -= piece.len();
    }
    to.shutdown().await.unwrap();
}

/// Reads to the end, `step` bytes at most each time, and checks every one of them.
async fn receive(from: &mut (impl AsyncRead + Unpin), seed: u32, step: usize) -> usize {
    let pattern = pattern(seed);
    let mut buffer = vec![0; step];
    let mut received = 0;
    loop {
        let read = from.read(&mut buffer).await.unwrap();
        if read == 0 {
            return received;
        }
        let mut bytes = &buffer[..read];
        while !bytes.is_empty() {
            let expected = &pattern[received % pattern.len()..];
            let (piece, rest) = bytes.split_at(bytes.len().min(expected.len()));
            assert!(piece == &expected[..piece.len()], "at {received}");
            received += piece.len();
            bytes = rest;
        }
    }
}

/// The connection broke off: with a reset, or with an end where one may take its place.
async fn breaks_off(io: &mut TcpStream) {
    let mut buffer = vec![0; MIB];
    let broken = async {
        loop {
            match io.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    broken.await;
    // And nothing is taken any more.
    while io.write_all(&[0; 1024]).await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn n3_a_half_close_leaves_the_other_way_open() {
    within(async {
        for (mut closes, mut stays) in tunnels().await {
            closes.say(b"all I have to say").await;
            closes.shutdown().await.unwrap();
            assert_eq!(stays.hear_rest().await, b"all I have to say");
            // The other way still carries whatever there is, for as long as it likes.
            for piece in 0..10 {
                stays.say(&[piece; 100]).await;
                closes.hear(&[piece; 100]).await;
                sleep(Duration::from_millis(2)).await;
            }
            stays.shutdown().await.unwrap();
            closes.hear_end().await;
        }
    })
    .await;
}

#[tokio::test]
async fn n3_a_half_close_leaves_the_other_way_open_for_bulk() {
    within(async {
        for (mut closes, mut stays) in tunnels().await {
            closes.shutdown().await.unwrap();
            stays.hear_end().await;
            let (received, ()) = tokio::join!(
                receive(&mut closes, 3, 100_000),
                send(&mut stays, 3, 8 * MIB)
            );
            assert_eq!(received, 8 * MIB);
        }
    })
    .await;
}

#[tokio::test]
async fn n3_a_reset_on_either_side_is_a_reset_on_the_other() {
    within(async {
        for (resets, mut other) in tunnels().await {
            resets.set_zero_linger().unwrap();
            drop(resets);
            let error = other.read(&mut [0; 16]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    })
    .await;
}

#[tokio::test]
async fn n3_a_reset_behind_data_is_a_reset_behind_that_data_or_in_its_place() {
    within(async {
        for (mut resets, mut other) in tunnels().await {
            resets.say(b"the first half").await;
            other.hear(b"the first half").await;
            resets.say(b"lost, maybe").await;
            resets.set_zero_linger().unwrap();
            drop(resets);
            // What must not happen is an end that looks complete.
            let mut rest = Vec::new();
            let error = other.read_to_end(&mut rest).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert!(b"lost, maybe".starts_with(&rest));
        }
    })
    .await;
}

#[tokio::test]
async fn n3_a_reset_ends_both_sides_in_the_middle_of_bulk_data() {
    within(async {
        for (mut resets, mut other) in tunnels().await {
            let sender = async {
                let block = vec![7; MIB];
                while other.write_all(&block).await.is_ok() {}
                breaks_off(&mut other).await;
            };
            let reader = async {
                let mut buffer = vec![0; 64 * 1024];
                let mut received = 0;
                while received < 4 * MIB {
                    received += resets.read(&mut buffer).await.unwrap();
                }
                resets.set_zero_linger().unwrap();
                drop(resets);
            };
            tokio::join!(sender, reader);
        }
    })
    .await;
}

#[tokio::test]
async fn n3_a_reset_behind_a_half_close_ends_both_sides() {
    within(async {
        for (mut resets, mut other) in tunnels().await {
            resets.say(b"request").await;
            resets.shutdown().await.unwrap();
            assert_eq!(other.hear_rest().await, b"request");
            resets.set_zero_linger().unwrap();
            drop(resets);
            // Found out with the next byte that is for the one who left.
            breaks_off(&mut other).await;
        }
    })
    .await;
}

#[tokio::test]
async fn n3_a_side_that_closes_with_data_unread_ends_both() {
    within(async {
        for (closes, mut other) in tunnels().await {
            other.say(b"nobody reads this").await;
            // Until it has arrived, so that closing is a reset.
            closes.readable().await.unwrap();
            drop(closes);
            breaks_off(&mut other).await;
        }
    })
    .await;
}

#[tokio::test]
async fn n3_an_end_with_data_in_flight_loses_nothing() {
    within(async {
        for (mut sends, mut reads) in tunnels().await {
            let len = 6 * MIB + 12_345;
            let sender = async {
                send(&mut sends, 5, len).await;
                sends
            };
            let reader = async {
                // Everything that fits is under way by now, and the sender is stuck.
                sleep(Duration::from_millis(50)).await;
                let received = receive(&mut reads, 5, 7_001).await;
                (received, reads)
            };
            let (_sends, (received, _reads)) = tokio::join!(sender, reader);
            assert_eq!(received, len);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn n3_an_end_with_data_in_flight_loses_nothing_between_small_buffers() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer)).connected().await.io;
        let (_, mut target) = dialled.recv().await.unwrap();
        let len = MIB + 4321;
        let slow = async {
            settle().await;
            receive(&mut target, 13, 5_003).await
        };
        let ((), received) = tokio::join!(send(&mut client, 13, len), slow);
        assert_eq!(received, len);
        let slow = async {
            settle().await;
            receive(&mut client, 17, 5_003).await
        };
        let ((), received) = tokio::join!(send(&mut target, 17, len), slow);
        assert_eq!(received, len);
    })
    .await;
}

#[tokio::test]
async fn n3_a_sender_that_closes_with_data_in_flight_loses_nothing() {
    within(async {
        for (mut sends, mut reads) in tunnels().await {
            // Small enough for the buffers on the way: the sender is gone before a byte is read.
            let len = 300_000;
            timeout(Duration::from_secs(10), send(&mut sends, 9, len))
                .await
                .unwrap();
            drop(sends);
            sleep(Duration::from_millis(20)).await;
            assert_eq!(receive(&mut reads, 9, 999).await, len);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n3_bulk_data_both_ways_at_once_arrives_whole() {
    within(async {
        let (client, target) = tunnel().await;
        let (up, down) = (32 * MIB + 1, 24 * MIB + 77);
        let (mut client_reads, mut client_sends) = client.into_split();
        let (mut target_reads, mut target_sends) = target.into_split();
        let tasks = (
            tokio::spawn(async move {
                send(&mut client_sends, 1, up).await;
                client_sends
            }),
            tokio::spawn(async move {
                send(&mut target_sends, 2, down).await;
                target_sends
            }),
            tokio::spawn(async move { receive(&mut client_reads, 2, 300_000).await }),
            tokio::spawn(async move { receive(&mut target_reads, 1, 300_000).await }),
        );
        let (sent_up, sent_down, received_down, received_up) =
            tokio::join!(tasks.0, tasks.1, tasks.2, tasks.3);
        let _open_until_here = (sent_up.unwrap(), sent_down.unwrap());
        assert_eq!((received_up.unwrap(), received_down.unwrap()), (up, down));
    })
    .await;
}

#[tokio::test]
async fn n3_bulk_and_single_bytes_take_turns() {
    within(async {
        for (mut one, mut other) in tunnels().await {
            // In and out of whatever a tunnel does about bulk data.
            let block = pattern(11);
            for _ in 0..4 {
                let bulk = async {
                    for _ in 0..40 {
                        one.write_all(&block).await.unwrap();
                    }
                };
                let read = async {
                    for _ in 0..40 {
                        let mut received = vec![0; block.len()];
                        other.read_exact(&mut received).await.unwrap();
                        assert!(received == block);
                    }
                };
                tokio::join!(bulk, read);
                for octet in 0..20 {
                    one.say(&[octet]).await;
                    other.hear(&[octet]).await;
                    other.say(&[octet, octet]).await;
                    one.hear(&[octet, octet]).await;
                }
            }
            one.shutdown().await.unwrap();
            other.hear_end().await;
        }
    })
    .await;
}
