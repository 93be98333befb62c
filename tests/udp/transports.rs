//! Paths of another make: a tap around the direct one, and some that fail.

use std::{
    error::Error,
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use tower::{Layer, ServiceBuilder, ServiceExt, service_fn, util::MapResponseLayer};
use tower_socks::{
    BoxError, Connector, Request,
    connector::associate::{Associate, MakeDirect},
    datagram::{DatagramTransport, Datagrams},
};

use crate::support::{
    Script, failure,
    udp::{
        ASSOCIATE, Client, ClientScript, address,
        association::{Association, assert_silent, socket},
        stack, within,
    },
};

/// A path that notes what passes, and drops what says so.
struct Tapped<P> {
    path: P,
    notes: Arc<Mutex<Vec<String>>>,
}

fn note(notes: &Mutex<Vec<String>>, way: &str, batch: &mut Datagrams) {
    let mut notes = notes.lock().unwrap();
    batch.retain(|address, payload| {
        notes.push(format!("{way} {address} {}", payload.escape_ascii()));
        payload != b"drop me"
    });
}

impl<P: DatagramTransport> DatagramTransport for Tapped<P> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        note(&self.notes, "to", out);
        self.path.poll_send(cx, out)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        loop {
            ready!(self.path.poll_recv(cx, into))?;
            note(&self.notes, "from", into);
            if !into.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[tokio::test]
async fn a14_a_path_around_the_direct_one_sees_every_datagram() {
    within(async {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let tap = Arc::clone(&notes);
        let paths = ServiceBuilder::new()
            .layer(MapResponseLayer::new(move |path| Tapped {
                path,
                notes: Arc::clone(&tap),
            }))
            .service(MakeDirect::new());
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let association = Association::new(stack(connector)).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        association.say(&target, b"drop me").await;
        let out = association.echo(&target, b"pong").await;
        target.send_to(b"drop me", out).await.unwrap();
        association.echo(&target, b"").await;
        let target = target.local_addr().unwrap();
        let expected = [
            "to T ping",
            "from T ping",
            "to T drop me",
            "to T pong",
            "from T pong",
            "from T drop me",
            "to T ",
            "from T ",
        ];
        let expected = expected.map(|line| line.replace('T', &target.to_string()));
        let mut notes = notes.lock().unwrap().clone();
        let mut expected = expected.to_vec();
        // The unwanted answer may come before or after the last datagram of the client.
        notes[5..].sort();
        expected[5..].sort();
        assert_eq!(notes, expected);
    })
    .await;
}

/// A path that is broken from the second datagram on.
struct Broken(bool);

impl DatagramTransport for Broken {
    fn poll_send(&mut self, _: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        if self.0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.0 = true;
        out.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a13_a_broken_path_ends_the_association() {
    within(async {
        let paths = service_fn(|_: Request| async { Ok::<_, BoxError>(Broken(false)) });
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let mut association = Association::new(stack(connector)).await;
        let target = socket("127.0.0.1").await;
        association.say(&target, b"one").await;
        tokio::task::yield_now().await;
        assert!(!association.control.is_over());
        association.say(&target, b"two").await;
        association.say(&target, b"three").await;
        let error = association.control.outcome().await.unwrap_err();
        let error: &io::Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        association.control.io.hear_end().await;
    })
    .await;
}

/// A path that has only errors to report once the client has sent something.
struct Down(Option<Waker>, bool);

impl DatagramTransport for Down {
    fn poll_send(&mut self, _: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        out.clear();
        self.1 = true;
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        if self.1 {
            return Poll::Ready(Err(io::ErrorKind::NetworkDown.into()));
        }
        self.0 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// It is not asked again and again.
#[tokio::test]
async fn a13_a_path_that_only_fails_to_receive_ends_the_association() {
    within(async {
        let paths = service_fn(|_: Request| async { Ok::<_, BoxError>(Down(None, false)) });
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let mut association = Association::new(stack(connector)).await;
        let target = socket("127.0.0.1").await;
        association.say(&target, b"one").await;
        let error = association.control.outcome().await.unwrap_err();
        let error: &io::Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NetworkDown);
        association.control.io.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a13_a_service_for_transports_that_fails_is_a_refusal() {
    within(async {
        let paths = service_fn(|_: Request| async {
            Err::<Broken, BoxError>(tower_socks::Refusal::not_allowed("not today").into())
        });
        // Bounded by tower's own layers as well.
        let paths = tower::limit::ConcurrencyLimitLayer::new(1).layer(paths);
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let stack = stack(connector.map_request(|request: Request| request));
        for _ in 0..2 {
            let mut client = Client::new(stack.clone()).await;
            let zeros = address(([0, 0, 0, 0], 0).into());
            client.io.request(ASSOCIATE, &zeros).await;
            client.io.hear(&failure(2)).await;
            client.io.hear_end().await;
        }
    })
    .await;
}

/// Whether a path has room, and whom to tell when it has.
type Room = Arc<Mutex<(bool, Option<Waker>)>>;

/// A path that has no room at first.
struct Full<P> {
    path: P,
    room: Room,
}

impl<P: DatagramTransport> DatagramTransport for Full<P> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut room = self.room.lock().unwrap();
        if !room.0 {
            room.1 = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.path.poll_send(cx, out)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        self.path.poll_recv(cx, into)
    }
}

#[tokio::test]
async fn a14_what_a_full_path_does_not_take_waits_and_arrives_in_order() {
    within(async {
        let room = Room::default();
        let same = Arc::clone(&room);
        let paths = ServiceBuilder::new()
            .layer(MapResponseLayer::new(move |path| Full {
                path,
                room: Arc::clone(&same),
            }))
            .service(MakeDirect::new());
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let association = Association::new(stack(connector)).await;
        let target = socket("127.0.0.1").await;
        association.say(&target, b"one").await;
        while room.lock().unwrap().1.is_none() {
            tokio::task::yield_now().await;
        }
        // What comes meanwhile waits in the system.
        association.say(&target, b"two").await;
        association.say(&target, b"three").await;
        tokio::task::yield_now().await;
        assert_silent(&target);

        let waker = {
            let mut room = room.lock().unwrap();
            room.0 = true;
            room.1.take().unwrap()
        };
        waker.wake();
        for said in [&b"one"[..], b"two", b"three"] {
            association.reaches(&target, said).await;
        }
        association.echo(&target, b"four").await;
        let traffic = association.lingering_close().await.unwrap();
        assert_eq!((traffic.up, traffic.down), (15, 4));
    })
    .await;
}
