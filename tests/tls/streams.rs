//! The stream by itself: any sizes, any transport, and what it keeps.

use std::time::Duration;

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::Builder,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{BoxError, io::TlsStream, session::Accepted};

use crate::{
    support::{LOCAL, PEER, Script, settle},
    world::{World, shake},
};

/// The stream of a server over a transport that takes so much at once, and its client.
async fn streams(capacity: usize) -> (TlsStream, tokio_rustls::client::TlsStream<DuplexStream>) {
    let world = World::new();
    let (near, far) = tokio::io::duplex(capacity);
    let hand_out = service_fn(async |accepted: Accepted<TlsStream>| Ok::<_, BoxError>(accepted.io));
    let accepted = Accepted::new(far, PEER.parse().unwrap(), LOCAL.parse().unwrap());
    let serving = world.layer().layer(hand_out).oneshot(accepted);
    let (server, client) = tokio::join!(serving, shake(world.client(), near));
    (server.unwrap(), client.unwrap())
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 % 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the transport takes at once (a handshake ends once its tickets have room), and whatever is written and read at once.
    #[test]
    fn all_octets_arrive_in_both_directions(
        capacity in 2_000usize..70_000,
        length in 0usize..300_000,
        written in 1usize..200_000,
        read in 1usize..100_000,
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut server, mut client) = streams(capacity).await;
            let all = pattern(length);
            let up = async {
                for piece in all.chunks(written) {
                    client.write_all(piece).await.unwrap();
                }
                client.shutdown().await.unwrap();
                client.hear_rest().await
            };
            let down = async {
                let mut heard = Vec::new();
                let mut room = vec![0; read];
                loop {
                    match server.read(&mut room).await.unwrap() {
                        0 => break,
                        count => heard.extend_from_slice(&room[..count]),
                    }
                }
                assert!(heard == all, "up: {} of {}", heard.len(), all.len());
                for piece in all.chunks(written) {
                    server.write_all(piece).await.unwrap();
                }
                server.shutdown().await.unwrap();
                server
            };
            let (heard, _server) = tokio::join!(up, down);
            assert!(heard == all, "down: {} of {}", heard.len(), all.len());
        });
    }
}

/// A write is taken once the one before it has left, and no more than 64 KiB of it.
#[tokio::test(start_paused = true)]
async fn no_more_than_64_kib_wait_for_a_slow_client() {
    let (mut server, _client) = streams(1024).await;
    let much = vec![0; 1 << 20];
    let taken = server.write(&much).await.unwrap();
    assert!(taken <= 64 * 1024, "{taken}");
    let more = tokio::time::timeout(Duration::from_secs(60), server.write(&much)).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn vectored_writes_are_one_record() {
    let (mut server, mut client) = streams(64 * 1024).await;
    assert!(tokio::io::AsyncWrite::is_write_vectored(&server));
    let pieces = [b"one".as_slice(), b"", b"two"].map(std::io::IoSlice::new);
    assert_eq!(server.write_vectored(&pieces).await.unwrap(), 6);
    server.flush().await.unwrap();
    client.hear(b"onetwo").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_behind_the_end() {
    let (mut server, mut client) = streams(64 * 1024).await;
    server.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
    let error = server.write(b"late").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    client.hear_end().await;
}

/// A record that was changed on its path is an error, which the peer is told of.
#[tokio::test(start_paused = true)]
async fn a_forged_record_is_an_error_and_an_alert() {
    let (mut server, client) = streams(64 * 1024).await;
    let (mut transport, _) = client.into_inner();
    transport.say(b"\x17\x03\x03\x00\x20").await;
    transport.say(&[0; 32]).await;
    let error = server.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    settle().await;
    drop(server);
    // Session tickets, and then the alert: as application data, since it is encrypted.
    assert!(transport.hear_rest().await.len() > 20);
}
