//! A stream that came from a client is still a bare socket to the relay.

use tower_socks::{Client, Tunnel, io::PrefixedStream, proto::Address};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK, Script,
    sockets::pair,
    splice::{alone, is_spliced},
};

#[test]
fn c6_bulk_data_of_a_client_is_spliced() {
    alone(a_client);
}

async fn a_client() {
    let (io, mut proxy) = pair().await;
    let client = Client::new();
    let target: Address = "192.0.2.1:80".parse().unwrap();
    let (connected, ()) = tokio::join!(client.connect(io, target), async {
        proxy.hear(HELLO).await;
        proxy.say(HELLO_OK).await;
        proxy.hear(CONNECT).await;
        // The first data comes with the reply.
        proxy.say(&[CONNECTED, b"early"].concat()).await;
    });
    let (mut outer, near) = pair().await;
    // As a server runs it.
    tokio::spawn(connected.unwrap().run(PrefixedStream::new(near)));
    outer.hear(b"early").await;

    is_spliced(&mut proxy, &mut outer, "a client's stream").await;
}
