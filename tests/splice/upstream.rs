//! Bulk data through a chain of other proxies is spliced.

use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower_socks::{
    Tunnel,
    connector::upstream::{HttpUpstream, Socks5Upstream},
    io::PrefixedStream,
    proto::Address,
    session::Connected,
};

use crate::support::{
    CONNECTED, HELLO, HELLO_OK, Script, connect_to,
    sockets::pair,
    splice::{alone, is_spliced},
};

#[test]
fn bulk_data_through_a_chain_is_spliced() {
    alone(a_chain);
}

async fn a_chain() {
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

    let (mut outer, near) = pair().await;
    // As a server runs it, boxes and all.
    let tunnel = tunnel.map_io(tower_socks::io::BoxStream::new);
    tokio::spawn(tunnel.run(PrefixedStream::new(near)));
    outer.hear(b"early").await;

    is_spliced(&mut proxy, &mut outer, "a chain of proxies").await;
}
