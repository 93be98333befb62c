//! What our own parts cost by themselves, in nanoseconds: codecs, layers, policy, a session in memory,
//! the relay.
//!
//! ```text
//! cargo bench --bench parts
//! ```
//!
//! The kernel is in none of them. What a connection costs with it: `--bench connection`; beside other
//! servers: `benches/compare/run`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, HandshakeLayer, NoAuth, Refusal, Request, Rules,
    datagram::Datagrams,
    io::PrefixedStream,
    layer::{mixed::MixedLayer, socks4::Socks4Layer, trace::TraceLayer, track::OpenTunnels},
    proto::{Address, Command, Decode, Greeting, Reply, ReplyCode, UdpHeader},
    relay::Relay,
    rules::Action,
    session::{Accepted, Check, Connected},
};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

const GREETING: &[u8] = b"\x05\x02\x00\x02";
const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb";
const DATAGRAM: &[u8] = b"\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x35";

fn codecs(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    group.bench_function("greeting", |b| {
        b.iter(|| Greeting::decode(black_box(GREETING)).unwrap());
    });
    group.bench_function("request, a name", |b| {
        b.iter(|| tower_socks::proto::Request::decode(black_box(REQUEST)).unwrap());
    });
    group.bench_function("UDP header", |b| {
        b.iter(|| UdpHeader::decode(black_box(DATAGRAM)).unwrap());
    });
    let reply = Reply {
        code: ReplyCode::SUCCEEDED,
        bound: Address::Ip(([192, 0, 2, 1], 443).into()),
    };
    group.bench_function("reply", |b| b.iter(|| black_box(&reply).encode()));
    let disguised = "0x7f.1:80";
    group.bench_function("address in disguise", |b| {
        b.iter(|| black_box(disguised).parse::<Address>().unwrap());
    });
    group.finish();
}

/// A service that has a tunnel at once.
fn nowhere()
-> impl Service<Request, Response = Connected<tokio::io::Empty>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|_: Request| {
        std::future::ready(Ok(Connected::new(tokio::io::empty(), Address::UNSPECIFIED)))
    })
}

fn layers(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("layer");
    let request = Request::new(Command::CONNECT, "example.com:443".parse().unwrap());
    let mut measure = |name: &str, ask: &dyn Fn(Request) -> bool| {
        group.bench_function(name, |b| {
            b.iter(|| assert!(ask(black_box(request.clone()))))
        });
    };
    fn asked<S, T>(runtime: &Runtime, service: S) -> impl Fn(Request) -> bool + use<'_, S, T>
    where
        S: Service<Request, Response = T> + Clone,
    {
        move |request| runtime.block_on(service.clone().oneshot(request)).is_ok()
    }
    measure("none", &asked(&runtime, nowhere()));
    let closure = |request: &Request, _: Check| match request.target.port() {
        25 => Err(Refusal::not_allowed("no mail")),
        _ => Ok(()),
    };
    measure(
        "acl, a closure",
        &asked(&runtime, AclLayer::new(closure).layer(nowhere())),
    );
    let rules = Rules::builder(Action::Allow).build();
    measure(
        "acl, default rules",
        &asked(&runtime, AclLayer::new(rules).layer(nowhere())),
    );
    let open = OpenTunnels::new();
    measure("track", &asked(&runtime, open.layer().layer(nowhere())));
    measure(
        "trace, nobody listens",
        &asked(&runtime, TraceLayer::new().layer(nowhere())),
    );
    group.finish();
}

/// A session from its greeting to its end, without a kernel.
async fn session<S>(stack: S)
where
    S: Service<Accepted<tokio::io::DuplexStream>, Error = BoxError>,
{
    let (mut client, io) = tokio::io::duplex(1024);
    let nowhere = ([127, 0, 0, 1], 1080).into();
    let accepted = Accepted::new(io, nowhere, nowhere);
    let talk = async {
        client.write_all(b"\x05\x01\x00").await.unwrap();
        client.read_exact(&mut [0; 2]).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        client.read_exact(&mut [0; 10]).await.unwrap();
        client.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(stack.oneshot(accepted), talk);
    assert!(outcome.is_ok());
}

fn sessions(c: &mut Criterion) {
    let runtime = runtime();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(AclLayer::new(Rules::builder(Action::Allow).build()))
        .service(nowhere());
    let one_port = ServiceBuilder::new()
        .layer(
            MixedLayer::new()
                .socks5(HandshakeLayer::new())
                .socks4(Socks4Layer::new()),
        )
        .layer(AuthLayer::new(NoAuth))
        .layer(AclLayer::new(Rules::builder(Action::Allow).build()))
        .service(nowhere());
    c.bench_function("session/in memory, one port", |b| {
        b.iter(|| runtime.block_on(session(one_port.clone())));
    });
    c.bench_function("session/in memory", |b| {
        b.iter(|| runtime.block_on(session(stack.clone())));
    });
}

/// Bytes of one direction through a relay between pairs in memory.
async fn relayed(bytes: &[u8]) -> u64 {
    let (mut client, near) = tokio::io::duplex(64 * 1024);
    let (far, mut target) = tokio::io::duplex(64 * 1024);
    let relay = Relay::new().run(PrefixedStream::new(near), far);
    let talk = async {
        let (send, receive) = (
            async {
                client.write_all(bytes).await.unwrap();
                client.shutdown().await.unwrap();
            },
            async {
                let copied = tokio::io::copy(&mut target, &mut tokio::io::sink()).await;
                target.shutdown().await.unwrap();
                copied.unwrap()
            },
        );
        tokio::join!(send, receive).1
    };
    let (traffic, copied) = tokio::join!(relay, talk);
    assert_eq!(traffic.unwrap().up, copied);
    copied
}

fn relay(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("relay");
    for size in [64, 1 << 20] {
        let bytes = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{size} bytes in memory"), |b| {
            b.iter(|| runtime.block_on(relayed(black_box(&bytes))));
        });
    }
    group.finish();
}

fn datagrams(c: &mut Criterion) {
    let mut group = c.benchmark_group("datagrams");
    let target = Address::Ip(([192, 0, 2, 1], 53).into());
    let payload = [7; 512];
    group.throughput(Throughput::Elements(32));
    group.bench_function("a batch of 32", |b| {
        let mut batch = Datagrams::new();
        b.iter(|| {
            batch.clear();
            for _ in 0..32 {
                batch.push(target.clone(), black_box(&payload));
            }
            batch.retain(|_, payload| !payload.is_empty());
            batch.len()
        });
    });
    group.finish();
}

criterion_group!(parts, codecs, layers, sessions, relay, datagrams);
criterion_main!(parts);
