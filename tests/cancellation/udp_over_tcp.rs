//! Datagrams that travel in a stream: our clients', and those through upstreams.

use tower::{Service, ServiceExt};
use tower_socks::{
    Client, Request,
    client::ProxySocket,
    connector::upstream::{Socks4Upstream, Socks5Upstream},
    datagram::{DatagramTransport, Datagrams},
    proto::{Address, Command, UdpOverTcp},
};

use super::{
    cases::{here, says, target},
    drops::{Case, Held, at_every_poll, held},
    proxies::{GRANTED, way},
};

/// What a SOCKS5 proxy says up to the first frame, and that.
const SOCKS5: &[u8] = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0\x00\xc0\x00\x02\x01\x00\x35\x00\x01x";

/// A proxy that says all of this to a client of its own accord.
fn talking_to<F: Future + 'static>(name: &str, least: usize, ask: impl Fn(Held) -> F) {
    at_every_poll(name, least, async || {
        let (near, far, alive) = held();
        Case::new(ask(near))
            .far(async { says(far, SOCKS5).await })
            .releases(move || alive.assert_dropped())
    });
}

async fn sends_and_receives(mut socket: ProxySocket<Held>) {
    let mut batch = Datagrams::new();
    batch.push(target(), b"one");
    batch.push(target(), b"two");
    socket.send_batch(&mut batch).await.unwrap();
    socket.send_to(b"three", target()).await.unwrap();
    assert_eq!(socket.recv_from(&mut [0; 9]).await.unwrap().0, 1);
}

#[test]
fn clients() {
    talking_to("Client::udp_over_tcp", 20, |io| async {
        sends_and_receives(Client::new().udp_over_tcp(io).await.unwrap()).await;
    });
    talking_to("its halves", 10, |io| async {
        let socket = Client::new().udp_over_tcp(io).await.unwrap();
        let (mut sender, mut receiver) = socket.into_split();
        let mut room = [0; 9];
        let (sent, received) = tokio::join!(
            sender.send_to(b"ping", target()),
            receiver.recv_from(&mut room)
        );
        sent.unwrap();
        received.unwrap();
        // The half that sends does not keep the stream.
        drop(receiver);
        sender.send_to(b"ping", target()).await.unwrap_err();
        sender
    });
}

/// Opens a transport, and waits for a datagram to come by it.
async fn receives<M>(make_transport: M)
where
    M: Service<Request, Response: DatagramTransport, Error: std::fmt::Debug>,
{
    let request = Request::new(Command::UDP_ASSOCIATE, Address::from(here(0)));
    let mut transport = make_transport.oneshot(request).await.unwrap();
    let mut batch = Datagrams::new();
    std::future::poll_fn(|cx| transport.poll_recv(cx, &mut batch))
        .await
        .unwrap();
    assert_eq!(batch.len(), 1);
}

#[test]
fn upstreams() {
    talking_to("datagrams through a SOCKS5 proxy", 10, |io| {
        let upstream = Socks5Upstream::new(target()).via(way(io));
        receives(upstream.udp_over_tcp(UdpOverTcp::V2).into_transports())
    });
    let granted = [GRANTED, &SOCKS5[12..]].concat();
    at_every_poll("datagrams through a SOCKS4 proxy", 5, async || {
        let (near, far, alive) = held();
        let upstream = Socks4Upstream::new(target()).via(way(near));
        let granted = granted.clone();
        Case::new(receives(upstream.into_transports()))
            .far(async move { says(far, &granted).await })
            .releases(move || alive.assert_dropped())
    });
    #[cfg(feature = "http-connect")]
    at_every_poll("datagrams through an HTTP proxy", 18, async || {
        let (near, far, alive) = held();
        let upstream = tower_socks::connector::upstream::HttpUpstream::new(target()).via(way(near));
        let said = [b"HTTP/1.1 200 OK\r\n\r\n", &SOCKS5[12..]].concat();
        Case::new(receives(upstream.into_transports()))
            .far(async move { says(far, &said).await })
            .releases(move || alive.assert_dropped())
    });
}
