//! Bulk data through a chain of other proxies is spliced.
//!
//! Pipes belong to the process, so this is one test in a process of its own.

use crate::support::{HELLO, HELLO_OK, Script, connect_to};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;
use tower_socks::{
    Connected, Tunnel,
    connector::upstream::{HttpUpstream, Socks5Upstream},
    io::PrefixedStream,
    proto::Address,
};

const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";

/// Ends of pipes that this process has open.
fn pipe_ends() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

#[tokio::test]
async fn bulk_data_through_a_chain_is_spliced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = Address::Ip(listener.local_addr().unwrap());
    let second: Address = "second.example:3128".parse().unwrap();
    let third: Address = "third.example:1080".parse().unwrap();
    let chain =
        Socks5Upstream::new(third).via(HttpUpstream::new(second).via(Socks5Upstream::new(first)));
    let asking = chain.oneshot("target.example:80".parse::<Address>().unwrap());
    let (tunnel, mut proxy) = tokio::join!(asking, async {
        let (mut proxy, _) = listener.accept().await.unwrap();
        proxy.hear(HELLO).await;
        proxy.say(HELLO_OK).await;
        proxy.hear(&connect_to("second.example:3128")).await;
        proxy.say(CONNECTED).await;
        let connect = b"CONNECT third.example:1080 HTTP/1.1\r\nHost: third.example:1080\r\n\r\n";
        proxy.hear(connect).await;
        proxy.say(b"HTTP/1.1 200 OK\r\n\r\n").await;
        proxy.hear(HELLO).await;
        proxy.say(HELLO_OK).await;
        proxy.hear(&connect_to("target.example:80")).await;
        // The first data comes with the reply.
        proxy.say(&[CONNECTED, b"early"].concat()).await;
        proxy
    });
    let tunnel: Connected<TcpStream> = tunnel.unwrap();

    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut outer = TcpStream::connect(outside.local_addr().unwrap())
        .await
        .unwrap();
    let (near, _) = outside.accept().await.unwrap();
    // As a server runs it, boxes and all.
    let tunnel = tunnel.map_io(tower_socks::io::BoxStream::new);
    tokio::spawn(tunnel.run(PrefixedStream::new(near)));
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
