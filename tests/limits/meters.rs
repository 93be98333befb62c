//! Meters on tunnels: what they are told, what they hold back, and what they end.

use std::{
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Connector, NoAuth, Request, Traffic, Tunnel, TunnelExt,
    connector::{bind::Bind, upstream::Socks5Upstream},
    error::reply_code,
    io::{BoxStream, ClientStream, Direction, Meter, PrefixedStream},
    proto::Address,
    relay::{Relay, RelayError, RelayErrorKind},
    session::Connected,
};

use crate::support::{Script, failure, greeted, proxy, sockets::pair, stack, within};

/// A meter that a test works by hand.
#[derive(Clone, Debug, Default)]
struct Tap(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    moved: [usize; 2],
    /// What may still move. `None` is no limit.
    left: [Option<usize>; 2],
    ended: bool,
    wakers: Vec<Waker>,
}

impl Tap {
    fn left(self, direction: Direction, bytes: usize) -> Self {
        self.0.lock().unwrap().left[direction as usize] = Some(bytes);
        self
    }

    fn grant(&self, direction: Direction, bytes: usize) {
        let mut inner = self.0.lock().unwrap();
        *inner.left[direction as usize].as_mut().unwrap() += bytes;
        inner.wakers.drain(..).for_each(Waker::wake);
    }

    fn end(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.ended = true;
        inner.wakers.drain(..).for_each(Waker::wake);
    }

    fn moved(&self) -> [usize; 2] {
        self.0.lock().unwrap().moved
    }
}

impl Meter for Tap {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock().unwrap();
        if inner.ended {
            return Poll::Ready(Err(io::Error::other("enough")));
        }
        match inner.left[direction as usize] {
            Some(0) => {
                inner.wakers.push(cx.waker().clone());
                Poll::Pending
            }
            left => Poll::Ready(Ok(left.unwrap_or(usize::MAX))),
        }
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        let mut inner = self.0.lock().unwrap();
        inner.moved[direction as usize] += bytes;
        if let Some(left) = &mut inner.left[direction as usize] {
            *left -= bytes;
        }
    }
}

/// A tunnel between two sockets, as a server runs it, seen from both ends.
async fn tunnel(
    meters: &[Tap],
) -> (
    TcpStream,
    TcpStream,
    tokio::task::JoinHandle<io::Result<Traffic>>,
) {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    let tunnel = Connected::new(far, Address::UNSPECIFIED);
    let mut near = PrefixedStream::new(near).metered(meters[0].clone());
    for meter in &meters[1..] {
        near = near.metered(meter.clone());
    }
    (client, target, tokio::spawn(tunnel.run(near)))
}

/// The same with a box between the meters, as routes that are chosen at run time have it.
async fn boxed_tunnel(
    meters: &[Tap; 3],
) -> (
    TcpStream,
    TcpStream,
    tokio::task::JoinHandle<io::Result<Traffic>>,
) {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    let [outer, middle, inner] = meters.clone();
    let tunnel = Connected::new(far, Address::UNSPECIFIED)
        .metered(inner)
        .boxed();
    let near = PrefixedStream::new(near).metered(outer).metered(middle);
    (client, target, tokio::spawn(tunnel.run(near)))
}

#[tokio::test]
async fn meters_are_told_what_moves_whichever_way_it_moves() {
    within(async {
        // Little by reads and writes, much by splice.
        let sizes = [1, 1000, 20_000_000];
        for (size, is_boxed) in sizes
            .into_iter()
            .flat_map(|size| [(size, false), (size, true)])
        {
            let taps = [Tap::default(), Tap::default(), Tap::default()];
            let (mut client, mut target, running) = match is_boxed {
                false => tunnel(&taps).await,
                true => boxed_tunnel(&taps).await,
            };
            let up: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut heard = vec![0; size];
            let (said, read) = tokio::join!(client.write_all(&up), target.read_exact(&mut heard));
            said.unwrap();
            read.unwrap();
            assert!(up == heard);
            let (said, read) = tokio::join!(target.write_all(&up), client.read_exact(&mut heard));
            said.unwrap();
            read.unwrap();
            client.shutdown().await.unwrap();
            target.shutdown().await.unwrap();
            let traffic = running.await.unwrap().unwrap();
            assert_eq!((traffic.up, traffic.down), (size as u64, size as u64));
            for tap in taps {
                assert_eq!(tap.moved(), [size, size]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_meter_outside_of_a_box_ends_its_tunnel_as_a_limit() {
    within(async {
        let taps = [Tap::default(), Tap::default(), Tap::default()];
        let (mut client, mut target, running) = boxed_tunnel(&taps).await;
        client.say(b"four").await;
        target.hear(b"four").await;
        taps[0].end();
        client.say(b"more").await;
        let error = running.await.unwrap().unwrap_err();
        let relayed = error.get_ref().unwrap().downcast_ref::<RelayError>();
        assert_eq!(relayed.unwrap().kind(), RelayErrorKind::Limit);
    })
    .await;
}

#[tokio::test]
async fn no_more_moves_than_the_least_of_the_meters_allows() {
    within(async {
        for direction in [Direction::Up, Direction::Down] {
            let tight = Tap::default().left(direction, 10);
            let (client, target, running) = tunnel(&[
                Tap::default().left(direction, 1000),
                tight.clone(),
                Tap::default(),
            ])
            .await;
            let (mut from, mut to) = match direction {
                Direction::Up => (client, target),
                Direction::Down => (target, client),
            };
            from.say(&[7; 100]).await;
            to.hear(&[7; 10]).await;
            for grant in [1, 2, 87] {
                assert!(to.try_read(&mut [0; 1]).is_err());
                tight.grant(direction, grant);
                to.hear(&vec![7; grant]).await;
            }
            assert_eq!(tight.moved()[direction as usize], 100);
            // The end is held back like everything else.
            from.shutdown().await.unwrap();
            tight.grant(direction, 1);
            to.hear_end().await;
            drop((from, to));
            running.await.unwrap().ok();
        }
    })
    .await;
}

#[tokio::test]
async fn one_way_may_be_held_back_while_the_other_moves() {
    within(async {
        let tap = Tap::default().left(Direction::Up, 0);
        let (mut client, mut target, _running) = tunnel(std::slice::from_ref(&tap)).await;
        client.say(b"ping").await;
        target.say(b"pong").await;
        client.hear(b"pong").await;
        assert_eq!(tap.moved(), [0, 4]);
        tap.grant(Direction::Up, 4);
        target.hear(b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn bulk_is_held_back_as_well_and_nothing_is_lost() {
    within(async {
        let tap = Tap::default().left(Direction::Down, 8_000_000);
        let (mut client, mut target, _running) = tunnel(std::slice::from_ref(&tap)).await;
        let sent: Vec<u8> = (0..16_000_000).map(|i| (i % 251) as u8).collect();
        let mut heard = vec![0; sent.len()];
        let granting = async {
            // It comes to rest at exactly what is allowed, and goes on from there.
            while tap.moved()[1] < 8_000_000 {
                tokio::task::yield_now().await;
            }
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(tap.moved()[1], 8_000_000);
            for _ in 0..80 {
                tap.grant(Direction::Down, 100_000);
                tokio::task::yield_now().await;
            }
        };
        let (said, read, ()) = tokio::join!(
            target.write_all(&sent),
            client.read_exact(&mut heard),
            granting
        );
        said.unwrap();
        read.unwrap();
        assert!(sent == heard, "bytes are lost, invented or out of order");
    })
    .await;
}

#[tokio::test]
async fn a_meter_that_has_enough_ends_the_tunnel_with_a_reset() {
    within(async {
        let tap = Tap::default();
        let (mut client, mut target, running) = tunnel(std::slice::from_ref(&tap)).await;
        client.say(b"ping").await;
        target.hear(b"ping").await;
        tap.end();
        client.say(b"more").await;
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(reply_code(&error).0, 1);
        let relayed: &RelayError = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(relayed.kind(), RelayErrorKind::Limit);
        assert_eq!(relayed.traffic(), Traffic { up: 4, down: 0 });
        assert_eq!(relayed.to_string(), "a limit has been reached");
        for stream in [&mut client, &mut target] {
            let error = stream.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    })
    .await;
}

/// A tunnel of somebody else's: it reads and writes for itself.
struct Copies(tokio::io::DuplexStream);

impl Tunnel for Copies {
    fn bound(&self) -> Address {
        Address::UNSPECIFIED
    }

    async fn run<W: ClientStream>(mut self, mut client: W) -> io::Result<Traffic> {
        let (up, down) = tokio::io::copy_bidirectional(&mut client, &mut self.0).await?;
        Ok(Traffic { up, down })
    }
}

#[tokio::test]
async fn tunnels_that_know_nothing_of_meters_are_metered_too() {
    within(async {
        let tap = Tap::default()
            .left(Direction::Up, 3)
            .left(Direction::Down, 2);
        let (mut client, near) = tokio::io::duplex(64);
        let (far, mut target) = tokio::io::duplex(64);
        let near = PrefixedStream::with_bytes(near, *b"early").metered(tap.clone());
        let running = tokio::spawn(Copies(far).run(near));
        target.hear(b"ear").await;
        tap.grant(Direction::Up, 100);
        target.hear(b"ly").await;
        target.say(b"pong").await;
        client.hear(b"po").await;
        tap.grant(Direction::Down, 100);
        client.hear(b"ng").await;
        client.shutdown().await.unwrap();
        drop(target);
        running.await.unwrap().unwrap();
        assert_eq!(tap.moved(), [5, 4]);
    })
    .await;
}

#[tokio::test]
async fn a_metered_stream_still_knows_that_the_client_has_gone() {
    within(async {
        let (client, near) = tokio::io::duplex(64);
        let mut near = PrefixedStream::new(near)
            .metered(Tap::default())
            .metered(Tap::default());
        let gone = std::future::poll_fn(|cx| near.poll_closed(cx));
        drop(client);
        gone.await.unwrap();
    })
    .await;
}

/// A client of BIND at a server whose tunnels have this meter, behind the first reply, and where its peer is awaited.
async fn bind<C, T>(connector: C, tap: &Tap) -> (TcpStream, u16)
where
    C: Service<Request, Response = T, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    T: Tunnel + 'static,
{
    let meter = tap.clone();
    let metered = connector.map_response(move |tunnel| tunnel.metered(meter.clone()));
    let mut client = greeted(proxy(stack(NoAuth, metered)).await).await;
    client.say(b"\x05\x02\x00\x01\x7f\0\0\x01\0\0").await;
    let mut reply = [0; 10];
    client.read_exact(&mut reply).await.unwrap();
    (client, u16::from_be_bytes([reply[8], reply[9]]))
}

/// It is no traffic. If it were, it would wait for a bandwidth that other tunnels use, and fail with their quota.
#[tokio::test]
async fn the_second_reply_of_a_bind_counts_for_nothing_and_waits_for_nothing() {
    within(async {
        let plain = proxy(stack(NoAuth, Connector::direct())).await;
        for through_another in [false, true] {
            let tap = Tap::default().left(Direction::Down, 0);
            let (mut client, port) = match through_another {
                false => bind(Connector::direct(), &tap).await,
                true => bind(Connector::upstream(Socks5Upstream::new(plain)), &tap).await,
            };
            let mut peer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut reply = [0; 10];
            client.read_exact(&mut reply).await.unwrap();
            assert_eq!(reply[..4], [5, 0, 0, 1]);
            assert_eq!(tap.moved(), [0, 0], "{through_another}");
            // What comes behind it counts, and is held back.
            client.say(b"up").await;
            peer.hear(b"up").await;
            peer.say(b"down").await;
            tap.grant(Direction::Down, 4);
            client.hear(b"down").await;
            assert_eq!(tap.moved(), [2, 4], "{through_another}");
        }
    })
    .await;
}

/// A quota that is used up is no reason to say nothing.
#[tokio::test]
async fn nor_does_one_that_says_why_nobody_came() {
    within(async {
        let tap = Tap::default();
        let listens = Bind::new().accept_timeout(Duration::from_millis(200));
        let connector = Connector::direct().with_bind(listens);
        let (mut client, _) = bind(connector, &tap).await;
        tap.end();
        client.hear(&failure(6)).await;
        client.hear_end().await;
        assert_eq!(tap.moved(), [0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_meter_on_the_target_of_a_relay_counts() {
    // Between sockets, where the relay would do without the stream.
    within(async {
        for nested in [false, true] {
            let (mut client, near) = pair().await;
            let (mut target, far) = pair().await;
            let tap = Tap::default();
            let far = PrefixedStream::new(far).metered(tap.clone());
            let relay = match nested {
                false => tokio::spawn(Relay::new().run(near, far)),
                true => tokio::spawn(Relay::new().run(near, BoxStream::new(far))),
            };
            client.say(b"hello").await;
            target.hear(b"hello").await;
            target.say(b"you").await;
            client.hear(b"you").await;
            let mut moved = tap.moved();
            moved.sort_unstable();
            assert_eq!(moved, [3, 5], "nested {nested}");
            relay.abort();
        }
    })
    .await;
}
