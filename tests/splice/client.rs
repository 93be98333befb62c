//! A stream that came from a client is still a bare socket to the relay.
//!
//! Pipes belong to the process, so this is one test in a process of its own.

use crate::support::{CONNECT, CONNECTED, HELLO, HELLO_OK, Script};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_socks::{Client, Tunnel, io::PrefixedStream, proto::Address};

/// Ends of pipes that this process has open.
fn pipe_ends() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test]
async fn c6_bulk_data_of_a_client_is_spliced() {
    let (io, mut proxy) = socket_pair().await;
    let client = Client::new();
    let target: Address = "192.0.2.1:80".parse().unwrap();
    let (connected, ()) = tokio::join!(client.connect(io, target), async {
        proxy.hear(HELLO).await;
        proxy.say(HELLO_OK).await;
        proxy.hear(CONNECT).await;
        // The first data comes with the reply.
        proxy.say(&[CONNECTED, b"early"].concat()).await;
    });
    let (mut outer, near) = socket_pair().await;
    // As a server runs it.
    tokio::spawn(connected.unwrap().run(PrefixedStream::new(near)));
    outer.hear(b"early").await;

    let before = pipe_ends();
    let sent: Vec<u8> = (0..16_000_000).map(|i| (i % 251) as u8).collect();
    let mut heard = vec![0; sent.len()];
    let (write, read) = tokio::join!(proxy.write_all(&sent), outer.read_exact(&mut heard));
    write.unwrap();
    read.unwrap();
    assert!(sent == heard, "bytes are lost, invented or out of order");
    assert!(pipe_ends() > before, "bulk data was not spliced");
}
