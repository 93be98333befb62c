//! Bulk data is spliced with limits in the stack as well.
//!
//! Pipes belong to the process, so this is one test in a process of its own.

use std::{num::NonZeroU32, time::Duration};

use crate::support::{Script, connect_to};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, LimitLayer, MeterLayer, NoAuth, OpenTunnels, Request,
    layer::{
        key,
        limit::{ConcurrentTunnels, RequestRate},
        meter::{Bandwidth, ByteQuota},
    },
    serve,
};

/// Ends of pipes that this process has open.
fn pipe_ends() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

/// The limits of a stack: for everyone, or for nobody.
async fn moves_bulk_data(limited: bool) {
    let whose = move |request: &Request| limited.then(|| key::client(request)).flatten();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(OpenTunnels::new().layer())
        .layer(LimitLayer::new(RequestRate::per_second(
            NonZeroU32::MAX,
            whose,
        )))
        .layer(LimitLayer::new(ConcurrentTunnels::new(9, whose)))
        .layer(MeterLayer::new(Bandwidth::new(whose).down(1 << 40)))
        .layer(MeterLayer::new(ByteQuota::new(
            1 << 40,
            Duration::from_secs(60),
            whose,
        )))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, stack).into_future());
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.say(b"\x05\x01\x00").await;
    client.hear(b"\x05\x00").await;
    let request = connect_to(&target.local_addr().unwrap().to_string());
    client.say(&request).await;
    let (mut outside, _) = target.accept().await.unwrap();
    client.read_exact(&mut [0; 10]).await.unwrap();

    let before = pipe_ends();
    let sent: Vec<u8> = (0..16_000_000).map(|i| (i % 251) as u8).collect();
    let mut heard = vec![0; sent.len()];
    let (write, read) = tokio::join!(outside.write_all(&sent), client.read_exact(&mut heard));
    write.unwrap();
    read.unwrap();
    assert!(sent == heard, "bytes are lost, invented or out of order");
    assert!(
        pipe_ends() > before,
        "bulk data was not spliced, limited: {limited}"
    );
    server.abort();
}

#[test]
fn with_limits_and_without() {
    for limited in [false, true] {
        // A thread keeps pipes for the next tunnel that needs one: each run has one of its own.
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(moves_bulk_data(limited));
        };
        std::thread::spawn(run).join().unwrap();
    }
}
