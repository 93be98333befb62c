//! What `TunnelExt` wraps tunnels with: when a guard goes, when a closure is called, and what is counted.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio_test::{assert_pending, task};
use tower_socks::{
    Traffic, Tunnel, TunnelExt,
    io::{Direction, Meter, PrefixedStream},
    proto::Address,
    relay::RelayError,
    session::Connected,
};

use crate::support::{Script, within};

/// What `on_close` was called with, in words.
#[derive(Clone, Default)]
struct Closed(Arc<Mutex<Vec<String>>>);

impl Closed {
    fn note(&self) -> impl FnOnce(&io::Result<Traffic>) + Send + use<> {
        let closed = self.clone();
        move |outcome| {
            let text = match outcome {
                Ok(Traffic { up, down }) => format!("{up} up, {down} down"),
                Err(error) => {
                    let inner = error.get_ref().unwrap().downcast_ref::<RelayError>();
                    let Traffic { up, down } = inner.unwrap().traffic();
                    format!("failed after {up} up, {down} down")
                }
            };
            closed.0.lock().unwrap().push(text);
        }
    }

    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn tunnel() -> (Connected<DuplexStream>, DuplexStream) {
    let (near, target) = tokio::io::duplex(64);
    let bound = "198.51.100.7:4321".parse().unwrap();
    (Connected::new(near, bound), target)
}

fn client() -> (PrefixedStream<DuplexStream>, DuplexStream) {
    let (near, client) = tokio::io::duplex(64);
    (PrefixedStream::new(near), client)
}

async fn ping(client: &mut DuplexStream, target: &mut DuplexStream) {
    client.say(b"ping").await;
    target.hear(b"ping").await;
    target.say(b"pong!").await;
    client.hear(b"pong!").await;
}

#[tokio::test]
async fn a_tunnel_that_ends_calls_its_closure_once_and_drops_its_guard() {
    within(async {
        let (tunnel, mut target) = tunnel();
        let (near, mut client) = client();
        let (guard, closed) = (Arc::new(()), Closed::default());
        let tunnel = tunnel.hold(Arc::clone(&guard)).on_close(closed.note());
        assert_eq!(tunnel.bound().to_string(), "198.51.100.7:4321");
        let running = tokio::spawn(tunnel.run(near));
        ping(&mut client, &mut target).await;
        assert_eq!((Arc::strong_count(&guard), closed.heard().len()), (2, 0));
        drop((client, target));
        running.await.unwrap().unwrap();
        assert_eq!(closed.heard(), ["4 up, 5 down"]);
        assert_eq!(Arc::strong_count(&guard), 1);
    })
    .await;
}

/// A target whose connection is reset.
struct Reset;

impl AsyncRead for Reset {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Reset {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_tunnel_that_fails_tells_its_closure_so() {
    within(async {
        let closed = Closed::default();
        let guard = Arc::new(());
        let tunnel = Connected::new(Reset, Address::UNSPECIFIED)
            .on_close(closed.note())
            .hold(Arc::clone(&guard));
        let (near, _client) = client();
        tunnel.run(near).await.unwrap_err();
        assert_eq!(closed.heard(), ["failed after 0 up, 0 down"]);
        assert_eq!(Arc::strong_count(&guard), 1);
    })
    .await;
}

#[tokio::test]
async fn a_tunnel_that_is_dropped_drops_its_guard_and_calls_nothing() {
    let (guard, closed) = (Arc::new(()), Closed::default());
    let (tunnel, _target) = tunnel();
    let never_run = tunnel.on_close(closed.note()).hold(Arc::clone(&guard));
    assert_eq!(Arc::strong_count(&guard), 2);
    drop(never_run);
    assert_eq!(Arc::strong_count(&guard), 1);

    let (tunnel, mut target) = self::tunnel();
    let (near, mut client) = client();
    let owned = Arc::clone(&guard);
    let note = closed.note();
    let tunnel = tunnel.hold(Arc::clone(&guard)).on_close(move |outcome| {
        let _owned = owned;
        note(outcome);
    });
    let mut running = task::spawn(tunnel.run(near));
    assert_pending!(running.poll());
    client.say(b"ping").await;
    assert_pending!(running.poll());
    target.hear(b"ping").await;
    assert_eq!(Arc::strong_count(&guard), 3);
    drop(running);
    assert_eq!(Arc::strong_count(&guard), 1, "the closure's own goes too");
    assert!(closed.heard().is_empty());
    target.hear_end().await;
}

#[tokio::test]
async fn the_sockets_are_closed_before_the_guard_goes() {
    /// Looks at what is left of the tunnel when it is dropped.
    struct Looks(Arc<()>, Arc<AtomicUsize>);

    impl Drop for Looks {
        fn drop(&mut self) {
            self.1.store(Arc::strong_count(&self.0), Ordering::Relaxed);
        }
    }

    let (socket, left) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let (tunnel, _target) = tunnel();
    let (near, _client) = client();
    // The inner guard stands for the sockets, with which it is dropped.
    let tunnel = tunnel
        .hold(Arc::clone(&socket))
        .hold(Looks(Arc::clone(&socket), Arc::clone(&left)));
    let mut running = task::spawn(tunnel.run(near));
    assert_pending!(running.poll());
    drop(running);
    // The test's own and that of `Looks`.
    assert_eq!(left.load(Ordering::Relaxed), 2);
}

#[derive(Clone, Default)]
struct Count([Arc<AtomicUsize>; 2]);

impl Meter for Count {
    fn moved(&mut self, direction: Direction, bytes: usize) {
        self.0[direction as usize].fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Count {
    fn counted(&self) -> [usize; 2] {
        [0, 1].map(|direction: usize| self.0[direction].load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn each_meter_counts_while_the_tunnel_is_open_and_in_a_box_as_well() {
    within(async {
        let (one, other) = (Count::default(), Count::default());
        let (tunnel, mut target) = tunnel();
        let (near, mut client) = client();
        let tunnel = tunnel.metered(one.clone()).hold(()).metered(other.clone());
        let running = tokio::spawn(tunnel.boxed().run(near));
        ping(&mut client, &mut target).await;
        assert_eq!((one.counted(), other.counted()), ([4, 5], [4, 5]));
        drop((client, target));
        running.await.unwrap().unwrap();
    })
    .await;
}
