//! Streams of clients that have no key, or somebody else's octets.

use std::{
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use shadowsocks::{
    ProxyClientStream, ServerConfig, config::ServerType, context::Context, crypto::CipherKind,
    relay::Address as Theirs,
};
use shadowsocks_example::server::ShadowsocksLayer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, sleep},
};
use tower::{Layer, Service, service_fn};
use tower_socks::{
    BoxError, Request, Traffic,
    proto::Address,
    session::{Accepted, Connected},
};

use crate::support::{JOE, KEY, NOBODY, server_keys};

const LIMIT: Duration = Duration::from_secs(10);

/// Salt, identity, type, time, length, and the tag of these three.
const HEADER: usize = 32 + 16 + 1 + 8 + 2 + 16;

/// What the crate's own client sends: a request with octets behind it.
async fn request(user: &str) -> Vec<u8> {
    let password = format!("{KEY}:{user}");
    let server = SocketAddr::from(([127, 0, 0, 1], 1));
    let config = ServerConfig::new(server, password, CipherKind::AEAD2022_BLAKE3_AES_256_GCM);
    let (near, mut far) = duplex(4_096);
    let target = Theirs::SocketAddress(([192, 0, 2, 1], 80).into());
    let context = Context::new_shared(ServerType::Local);
    let mut stream = ProxyClientStream::from_stream(context, near, &config.unwrap(), target);
    stream.write_all(b"hello").await.unwrap();
    drop(stream);
    let mut octets = Vec::new();
    far.read_to_end(&mut octets).await.unwrap();
    octets
}

/// A server that counts the requests that it reads, and reaches a target that says what it hears.
struct Server<S> {
    service: S,
    read: Arc<AtomicUsize>,
}

fn server() -> Server<
    impl Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError, Future: Send + 'static>,
> {
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let dial = service_fn(move |request: Request| {
        count.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.identity.name(), Some(&b"joe"[..]));
        assert_eq!(request.target.to_string(), "192.0.2.1:80");
        let (near, far) = duplex(64);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(far);
            tokio::io::copy(&mut read, &mut write).await
        });
        ready(Ok::<_, BoxError>(Connected::new(
            near,
            Address::UNSPECIFIED,
        )))
    });
    let service = ShadowsocksLayer::new(server_keys()).layer(dial);
    Server { service, read }
}

impl<S> Server<S>
where
    S: Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError>,
    S::Future: Send + 'static,
{
    /// A connection that sends `parts`, a moment apart. Returns it.
    async fn sends(&mut self, parts: &[&[u8]]) -> DuplexStream {
        let (mut client, io) = duplex(4_096);
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        tokio::spawn(self.service.call(Accepted::new(io, here, here)));
        for part in parts {
            client.write_all(part).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        client
    }

    /// A connection that sends `parts` hears nothing, and is closed once the time is over.
    async fn is_silent_to(&mut self, parts: &[&[u8]]) {
        let (started, read) = (Instant::now(), self.read.load(Ordering::Relaxed));
        let mut client = self.sends(parts).await;
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert!(heard.is_empty());
        assert_eq!(started.elapsed().as_millis(), LIMIT.as_millis());
        assert_eq!(self.read.load(Ordering::Relaxed), read);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_served_once() {
    let mut server = server();
    let request = request(JOE).await;
    let mut client = server.sends(&[&request]).await;
    assert_ne!(client.read(&mut [0; 256]).await.unwrap(), 0);
    assert_eq!(server.read.load(Ordering::Relaxed), 1);
    server.is_silent_to(&[&request]).await;
    // While the first goes on, and after it.
    drop(client);
    server.is_silent_to(&[&request]).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_and_garbage_look_the_same() {
    let mut server = server();
    server.is_silent_to(&[&request(NOBODY).await]).await;
    let garbage: Vec<u8> = (0..200_u32).map(|n| (n * 97 % 251) as u8).collect();
    for len in 0..garbage.len() {
        server.is_silent_to(&[&garbage[..len]]).await;
    }
    server
        .is_silent_to(&[b"GET / HTTP/1.1\r\n\r\n", &garbage, &garbage])
        .await;
    for at in 0..request(JOE).await.len() {
        let mut wrong = request(JOE).await;
        wrong[at] ^= 1;
        server.is_silent_to(&[&wrong]).await;
    }
    let mut client = server.sends(&[&request(JOE).await]).await;
    assert_ne!(client.read(&mut [0; 256]).await.unwrap(), 0);
}

/// The first read has to have the whole header: a server that waits for the rest of it tells how long it is.
#[tokio::test(start_paused = true)]
async fn a_request_may_be_split_behind_its_header() {
    let mut server = server();
    for at in 1..HEADER {
        let request = request(JOE).await;
        server.is_silent_to(&[&request[..at], &request[at..]]).await;
    }
    let len = request(JOE).await.len();
    for at in HEADER..len {
        let request = request(JOE).await;
        let mut client = server.sends(&[&request[..at], &request[at..]]).await;
        assert_ne!(client.read(&mut [0; 256]).await.unwrap(), 0, "{at}");
    }
    // A request that stays away is given up as well.
    let request = request(JOE).await;
    server.is_silent_to(&[&request[..HEADER + 4]]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_not_waited_for() {
    let mut server = server();
    for sent in [&b""[..], b"garbage", &request(NOBODY).await] {
        let started = Instant::now();
        let mut client = server.sends(&[sent]).await;
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
