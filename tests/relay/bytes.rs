//! The relay by itself: ends and large amounts, over memory and over sockets.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::timeout,
};
use tower_socks::{
    Traffic,
    io::PrefixedStream,
    relay::{Relay, RelayError, RelayErrorKind},
};

use crate::support::sockets::pair;

type Running = JoinHandle<io::Result<Traffic>>;

/// Two ends of a tunnel in memory.
fn tunnel(relay: Relay, room: usize) -> (DuplexStream, DuplexStream, Running) {
    let (client, near) = duplex(room);
    let (far, target) = duplex(room);
    (client, target, tokio::spawn(relay.run(near, far)))
}

/// Two ends of a tunnel over sockets.
async fn socket_tunnel(relay: Relay) -> (TcpStream, TcpStream, Running) {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    (client, target, tokio::spawn(relay.run(near, far)))
}

fn broken(outcome: Result<io::Result<Traffic>, tokio::task::JoinError>) -> RelayError {
    let error = outcome.unwrap().unwrap_err();
    *error
        .into_inner()
        .unwrap()
        .downcast::<RelayError>()
        .unwrap()
}

/// Octets whose order matters.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_does_not_hold_up_the_other_direction() {
    let (mut client, target, running) = tunnel(Relay::new(), 16);
    let flood = tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(target);
        let echo = tokio::spawn(async move {
            let mut said = Vec::new();
            read.read_to_end(&mut said).await.unwrap();
            said
        });
        let flood = pattern(500_000);
        write.write_all(&flood).await.unwrap();
        write.shutdown().await.unwrap();
        (echo.await.unwrap(), flood)
    });
    // 100 KB up, while nothing is read.
    let up = pattern(100_000);
    client.write_all(&up).await.unwrap();
    client.shutdown().await.unwrap();
    let mut down = Vec::new();
    client.read_to_end(&mut down).await.unwrap();
    let (said, flood) = flood.await.unwrap();
    assert!(
        said == up && down == flood,
        "bytes are lost, invented or out of order"
    );
    let moved = running.await.unwrap().unwrap();
    assert_eq!(
        moved,
        Traffic {
            up: 100_000,
            down: 500_000
        }
    );
}

#[tokio::test]
async fn bytes_read_ahead_go_first() {
    let (mut client, near) = pair().await;
    let (far, mut target) = pair().await;
    let near = PrefixedStream::with_bytes(near, *b"early ");
    let running = tokio::spawn(Relay::new().run(near, far));
    client.write_all(b"late").await.unwrap();
    client.shutdown().await.unwrap();
    let mut said = String::new();
    target.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "early late");
    drop(target);
    assert_eq!(running.await.unwrap().unwrap().up, 10);
}

/// Sends `len` bytes each way at once, both ends reading and writing, and checks every byte.
async fn both_ways<C, T>(client: C, target: T, running: Running, len: usize)
where
    C: AsyncRead + AsyncWrite + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    fn end<Io>(io: Io, mut say: Vec<u8>, end: usize) -> JoinHandle<Vec<u8>>
    where
        Io: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (mut read, mut write) = tokio::io::split(io);
        tokio::spawn(async move {
            let writing = tokio::spawn(async move {
                say.rotate_left(end);
                for chunk in say.chunks(100_003) {
                    write.write_all(chunk).await.unwrap();
                }
                write.shutdown().await.unwrap();
            });
            let mut heard = Vec::new();
            read.read_to_end(&mut heard).await.unwrap();
            writing.await.unwrap();
            heard
        })
    }
    let say = pattern(len);
    let client = end(client, say.clone(), 1);
    let target = end(target, say.clone(), 2);
    let (at_client, at_target) = timeout(Duration::from_secs(60), async {
        (client.await.unwrap(), target.await.unwrap())
    })
    .await
    .unwrap();
    for (mut heard, end) in [(at_client, 2), (at_target, 1)] {
        assert_eq!(heard.len(), len);
        heard.rotate_right(end);
        assert!(heard == say, "bytes are lost, invented or out of order");
    }
    let len = len as u64;
    assert_eq!(
        running.await.unwrap().unwrap(),
        Traffic { up: len, down: len }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_between_tcp_sockets() {
    let (client, target, running) = socket_tunnel(Relay::new()).await;
    both_ways(client, target, running, 30_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_between_unix_and_tcp_sockets() {
    let (client, near) = UnixStream::pair().unwrap();
    let (far, target) = pair().await;
    let running = tokio::spawn(Relay::new().run(PrefixedStream::new(near), far));
    both_ways(client, target, running, 20_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_between_streams_that_are_no_sockets() {
    let (client, near) = duplex(70_000);
    let (far, target) = pair().await;
    let running = tokio::spawn(Relay::new().run(near, far));
    both_ways(client, target, running, 5_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bulk_tunnels_at_once_mix_nothing_up() {
    let mut tunnels = Vec::new();
    for _ in 0..24 {
        let (client, target, running) = socket_tunnel(Relay::new()).await;
        tunnels.push(tokio::spawn(both_ways(client, target, running, 2_000_000)));
    }
    for tunnel in tunnels {
        tunnel.await.unwrap();
    }
}

#[tokio::test]
async fn small_messages_after_bulk_arrive_one_by_one() {
    let (mut client, mut target, running) = socket_tunnel(Relay::new()).await;
    let bulk = pattern(8_000_000);
    let mut heard = vec![0; bulk.len()];
    let (sent, received) = tokio::join!(client.write_all(&bulk), target.read_exact(&mut heard));
    sent.unwrap();
    received.unwrap();
    assert!(heard == bulk);
    // More of them than it takes to find out that the bulk is over, and then bulk again.
    for round in 0..50_u8 {
        client.write_all(&[round]).await.unwrap();
        let mut octet = [0];
        target.read_exact(&mut octet).await.unwrap();
        assert_eq!(octet, [round]);
    }
    let (sent, received) = tokio::join!(client.write_all(&bulk), target.read_exact(&mut heard));
    sent.unwrap();
    received.unwrap();
    assert!(heard == bulk);
    drop((client, target));
    assert_eq!(running.await.unwrap().unwrap().up, 16_000_050);
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset_each_way() {
    for from_client in [true, false] {
        let (client, target, running) = socket_tunnel(Relay::new()).await;
        let (resets, mut sees) = if from_client {
            (client, target)
        } else {
            (target, client)
        };
        resets.set_zero_linger().unwrap();
        drop(resets);
        let error = sees.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let expected = if from_client {
            RelayErrorKind::Client
        } else {
            RelayErrorKind::Target
        };
        assert_eq!(broken(running.await).kind(), expected);
    }
}

#[tokio::test]
async fn n3_a_reset_in_the_middle_of_bulk_data_is_a_reset_on_the_other_side() {
    const MIB: usize = 1024 * 1024;

    for from_client in [true, false] {
        let (client, target, _running) = socket_tunnel(Relay::new()).await;
        let (mut resets, mut other) = if from_client {
            (client, target)
        } else {
            (target, client)
        };
        let (mut read, mut write) = other.split();
        let block = vec![7; MIB];
        let sender = async {
            loop {
                if let Err(error) = write.write_all(&block).await {
                    return error.kind();
                }
            }
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
        let (read, written, ()) = tokio::join!(read.read_u8(), sender, reader);
        // The half that is first to hear of it takes the error with it. After an end that looked
        // complete it would be a broken pipe.
        let read = read.unwrap_err().kind();
        assert!(
            [read, written].contains(&io::ErrorKind::ConnectionReset),
            "{read:?} {written:?}"
        );
    }
}

/// A target that says something, takes nothing, and is done.
struct Deaf {
    say: &'static [u8],
}

impl AsyncRead for Deaf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(std::mem::take(&mut self.say));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_the_target_said_last_arrives_though_the_client_still_sends() {
    let (mut client, near) = pair().await;
    // Unread data on our side: a close would reset the connection and take the answer with it.
    client.write_all(&pattern(300_000)).await.unwrap();
    let running = tokio::spawn(Relay::new().run(
        near,
        Deaf {
            say: b"413 too large",
        },
    ));
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "413 too large");
    client.shutdown().await.unwrap();
    let error = broken(running.await);
    assert_eq!(error.kind(), RelayErrorKind::Target);
    assert_eq!(error.traffic(), Traffic { up: 0, down: 13 });
}

#[test]
fn promises_about_types() {
    fn is_send(_: impl Send) {}
    fn is_plain<T: Send + Sync + Copy + Unpin>() {}
    is_plain::<Relay>();
    is_plain::<Traffic>();
    let (a, b) = (duplex(1).0, duplex(1).0);
    is_send(Relay::new().run(a, b));
}
