//! A tunnel that is cut does not look complete: both sides see a reset.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth, Traffic,
    connector::{bind::Bind, direct::Direct, upstream::Socks5Upstream},
    io::{BoxStream, ClientStream, Direction, Meter, PrefixedStream},
    proto::Address,
    relay::Relay,
    serve,
};

use crate::support::{HELLO, HELLO_OK, Script, connect_to, sockets::pair};

type Running = JoinHandle<io::Result<Traffic>>;

/// Two ends of a tunnel over sockets, through which an octet has gone each way.
async fn tunnel(relay: Relay) -> (TcpStream, TcpStream, Running) {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    let running = tokio::spawn(relay.run(PrefixedStream::new(near), BoxStream::new(far)));
    let (client, target) = greeted(client, target).await;
    (client, target, running)
}

async fn greeted(mut client: TcpStream, mut target: TcpStream) -> (TcpStream, TcpStream) {
    client.say(b"?").await;
    target.hear(b"?").await;
    target.say(b"!").await;
    client.hear(b"!").await;
    (client, target)
}

async fn sees_reset(side: &mut TcpStream, what: &str) {
    let end = timeout(Duration::from_secs(20), side.read(&mut [0; 8])).await;
    let end = end.unwrap_or_else(|_| panic!("{what}: nothing happens"));
    let kind = end.map_err(|error| error.kind());
    assert_eq!(kind, Err(io::ErrorKind::ConnectionReset), "{what}");
}

async fn both_see_reset(mut client: TcpStream, mut target: TcpStream, what: &str) {
    sees_reset(&mut client, what).await;
    sees_reset(&mut target, what).await;
}

#[tokio::test]
async fn by_the_idle_limit() {
    let relay = Relay::new().idle_timeout(Duration::from_millis(50));
    let (client, target, running) = tunnel(relay).await;
    both_see_reset(client, target, "idle").await;
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "idle for 50ms (idle_timeout)");
}

#[tokio::test]
async fn by_the_half_close_limit() {
    let relay = Relay::new().half_close_timeout(Duration::from_secs(1));
    for up in [true, false] {
        let (mut client, mut target, running) = tunnel(relay).await;
        let (ends, stays) = if up {
            (&mut client, &mut target)
        } else {
            (&mut target, &mut client)
        };
        tokio::io::AsyncWriteExt::shutdown(ends).await.unwrap();
        stays.hear_end().await;
        sees_reset(ends, "half-closed").await;
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "half-closed and idle for 1s (half_close_timeout)"
        );
    }
}

#[tokio::test]
async fn by_dropping_the_future() {
    let (client, target, running) = tunnel(Relay::new()).await;
    running.abort();
    both_see_reset(client, target, "dropped").await;
}

#[tokio::test]
async fn by_dropping_the_future_before_it_ran() {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    drop(Relay::new().run(near, far));
    both_see_reset(client, target, "never polled").await;
}

/// Panics once more than an octet has come.
struct Panics;

impl Meter for Panics {
    fn moved(&mut self, _: Direction, bytes: usize) {
        assert!(bytes == 1, "this is on purpose");
    }
}

/// Lets nothing through.
struct Holds;

impl Meter for Holds {
    fn poll_allowance(&mut self, _: &mut Context<'_>, _: Direction) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn moved(&mut self, _: Direction, _: usize) {}
}

#[tokio::test]
async fn by_a_panic() {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    let near = PrefixedStream::new(near).metered(Panics);
    let running = tokio::spawn(Relay::new().run(near, far));
    let (mut client, target) = greeted(client, target).await;
    client.say(b"two").await;
    both_see_reset(client, target, "panic").await;
    assert!(running.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn with_early_data_that_nobody_has_read() {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    let near = PrefixedStream::with_bytes(near, *b"early").metered(Holds);
    let running = tokio::spawn(Relay::new().run(near, far));
    tokio::task::yield_now().await;
    running.abort();
    both_see_reset(client, target, "early data").await;
}

#[tokio::test]
async fn what_ends_by_itself_ends_without_a_reset() {
    let (mut client, mut target, running) = tunnel(Relay::new()).await;
    tokio::io::AsyncWriteExt::shutdown(&mut target)
        .await
        .unwrap();
    client.hear_end().await;
    tokio::io::AsyncWriteExt::shutdown(&mut client)
        .await
        .unwrap();
    target.hear_end().await;
    assert_eq!(running.await.unwrap().unwrap(), Traffic { up: 1, down: 1 });
}

#[derive(Clone, Copy, Debug)]
enum Path {
    Connect,
    Upstream,
    Bind,
}

/// A server that drops its sessions as soon as it is told to stop.
async fn server(relay: Relay, upstream: Option<SocketAddr>) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stop_at = async move { _ = stopped.await };
    let limit = Duration::ZERO;
    let layers = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth));
    let direct = Direct::new().relay(relay);
    match upstream {
        None => {
            let bind = Bind::new().relay(relay);
            let stack = layers.service(Connector::direct().with_connect(direct).with_bind(bind));
            let server = serve(listener, stack).drain_limit(limit);
            tokio::spawn(server.with_graceful_shutdown(stop_at).into_future());
        }
        Some(proxy) => {
            let upstream = Socks5Upstream::new(Address::Ip(proxy)).via(direct);
            let stack = layers.service(Connector::direct().with_connect(upstream));
            let server = serve(listener, stack).drain_limit(limit);
            tokio::spawn(server.with_graceful_shutdown(stop_at).into_future());
        }
    }
    (address, stop)
}

/// A tunnel through a server, and what stops it.
async fn open(path: Path, relay: Relay) -> (TcpStream, TcpStream, Vec<oneshot::Sender<()>>) {
    let mut stops = Vec::new();
    let upstream = match path {
        Path::Upstream => {
            let (address, stop) = server(Relay::new(), None).await;
            stops.push(stop);
            Some(address)
        }
        Path::Connect | Path::Bind => None,
    };
    let (proxy, stop) = server(relay, upstream).await;
    stops.push(stop);
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.say(HELLO).await;
    client.hear(HELLO_OK).await;
    let target = if matches!(path, Path::Bind) {
        client
            .say(b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00")
            .await;
        let mut reply = [0; 10];
        client.read_exact(&mut reply).await.unwrap();
        let port = u16::from_be_bytes([reply[8], reply[9]]);
        let target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        client.read_exact(&mut reply).await.unwrap();
        target
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        client.say(&connect_to(&address.to_string())).await;
        let (target, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 10]).await.unwrap();
        target
    };
    let (client, target) = greeted(client, target).await;
    (client, target, stops)
}

#[tokio::test]
async fn of_every_command_and_through_an_upstream() {
    for path in [Path::Connect, Path::Upstream, Path::Bind] {
        let (client, target, mut stops) = open(path, Relay::new()).await;
        drop(stops.pop());
        both_see_reset(client, target, &format!("drained, {path:?}")).await;

        let relay = Relay::new().idle_timeout(Duration::from_millis(300));
        let (client, target, _stops) = open(path, relay).await;
        both_see_reset(client, target, &format!("idle, {path:?}")).await;
    }
}
