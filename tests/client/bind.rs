//! BIND from the client's side: two replies, and the stream behind them.

use std::{net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};
use tower_socks::{
    Client, ClientError, Connector, NoAuth,
    client::{ClientFault, ProxyListener},
    connector::bind::Bind,
    error::{Step, reply_code},
    proto::{Address, ReplyCode},
};

use crate::support::{
    HELLO, HELLO_OK, Script,
    canned::{Canned, Then},
    failure, proxy, stack, success, within,
};

/// A request for 192.0.2.1:20.
const BIND: &[u8] = b"\x05\x02\x00\x01\xc0\x00\x02\x01\x00\x14";

fn peer() -> Address {
    "192.0.2.1:20".parse().unwrap()
}

fn listening() -> Vec<u8> {
    success("198.51.100.7:4321".parse().unwrap())
}

fn arrived() -> Vec<u8> {
    success("192.0.2.1:50000".parse().unwrap())
}

/// A listener at a proxy that says this after the first reply.
async fn listener(client: Client, then: &[u8], end: Then) -> ProxyListener<Canned> {
    let (io, log) = Canned::new([HELLO_OK, &*listening(), then], end);
    let listener = client.bind(io, peer()).await.unwrap();
    assert_eq!(log.written().0, [HELLO, BIND].concat());
    listener
}

#[tokio::test]
async fn both_replies_are_told() {
    let said = [&arrived()[..], b"220 hello"].concat();
    let listener = listener(Client::new(), &said, Then::Ends).await;
    assert_eq!(listener.bound().to_string(), "198.51.100.7:4321");
    let (mut stream, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.to_string(), "192.0.2.1:50000");
    assert_eq!(stream.bound().to_string(), "198.51.100.7:4321");
    // C6, here too.
    let mut first = String::new();
    stream.read_to_string(&mut first).await.unwrap();
    assert_eq!(first, "220 hello");
}

#[tokio::test]
async fn c4_either_reply_may_be_a_failure_of_any_number() {
    for code in 1..=255 {
        let (io, log) = Canned::says(&[HELLO_OK, &failure(code)].concat());
        let error = Client::new().bind(io, peer()).await.unwrap_err();
        assert_eq!(reply_code(&error), ReplyCode(code));
        assert!(log.is_dropped());

        let listener = listener(Client::new(), &failure(code), Then::Waits).await;
        let error = listener.accept().await.unwrap_err();
        assert_eq!(reply_code(&error), ReplyCode(code));
        assert!(matches!(error, ClientError::Refused(_)));
    }
}

#[tokio::test]
async fn c4_the_second_reply_may_be_cut() {
    let whole = arrived();
    for cut in 0..whole.len() {
        let listener = listener(Client::new(), &whole[..cut], Then::Ends).await;
        let error = listener.accept().await.unwrap_err();
        let step = Step::Dial;
        assert!(matches!(error, ClientError::Closed { step: at } if at == step));
        assert_eq!(error.fault(), ClientFault::Proxy);
    }
}

#[tokio::test]
async fn c4_the_second_reply_may_name_the_peer() {
    let said = b"\x05\x00\x00\x03\x0cpeer.example\x00\x14";
    let listener = listener(Client::new(), said, Then::Ends).await;
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.to_string(), "peer.example:20");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_come_is_not_awaited_for_ever() {
    for (client, limit) in [
        (Client::new(), 180),
        (Client::new().accept_timeout(Duration::from_secs(5)), 5),
    ] {
        let listener = listener(client, b"\x05", Then::Waits).await;
        // The limit begins with the waiting.
        tokio::time::sleep(Duration::from_secs(1000)).await;
        let started = Instant::now();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(started.elapsed(), Duration::from_secs(limit));
        assert_eq!(reply_code(&error), ReplyCode::TTL_EXPIRED);
        let expected = format!("nobody connected to the proxy for us within {limit}s");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn c7_a_wildcard_is_the_proxys_address() {
    for wildcard in ["0.0.0.0:4321", "[::]:4321"] {
        let wildcard: SocketAddr = wildcard.parse().unwrap();
        // Nobody knows where the proxy is.
        let said = [HELLO_OK, &*success(wildcard)].concat();
        let (io, _) = Canned::says(&said);
        let listener = Client::new().bind(io, peer()).await.unwrap();
        assert_eq!(*listener.bound(), Address::Ip(wildcard));
        // Somebody says so.
        for proxy in ["203.0.113.9", "2001:db8::9"] {
            let proxy = proxy.parse().unwrap();
            let (io, _) = Canned::says(&said);
            let client = Client::new().proxy_address(proxy);
            let listener = client.bind(io, peer()).await.unwrap();
            let expected = SocketAddr::new(proxy, 4321);
            assert_eq!(*listener.bound(), Address::Ip(expected));
        }
    }
    // What is no wildcard stays.
    let (io, _) = Canned::says(&[HELLO_OK, &*listening()].concat());
    let client = Client::new().proxy_address([203, 0, 113, 9].into());
    let listener = client.bind(io, peer()).await.unwrap();
    assert_eq!(listener.bound().to_string(), "198.51.100.7:4321");
}

#[tokio::test]
async fn c7_over_tcp_the_proxys_address_is_known() {
    within(async {
        let server = TcpListener::bind("127.0.0.3:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut io, _) = server.accept().await.unwrap();
            io.hear(HELLO).await;
            io.say(HELLO_OK).await;
            io.hear(BIND).await;
            io.say(&success(([0, 0, 0, 0], 4321).into())).await;
            io
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let listener = Client::new().bind(stream, peer()).await.unwrap();
        assert_eq!(listener.bound().to_string(), "127.0.0.3:4321");
        proxy.await.unwrap();
    })
    .await;
}

/// A listener at our own server, for a peer at 127.0.0.2.
async fn ours(bind: Bind) -> (ProxyListener<TcpStream>, SocketAddr) {
    let proxy = proxy(stack(NoAuth, Connector::direct().with_bind(bind))).await;
    let stream = TcpStream::connect(proxy).await.unwrap();
    let peer: Address = "127.0.0.2:20".parse().unwrap();
    let listener = Client::new().bind(stream, peer).await.unwrap();
    let bound = listener.bound().ip().unwrap();
    (listener, bound)
}

async fn connect_from(ip: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ip.parse::<std::net::IpAddr>().unwrap(), 0).into())?;
    socket.connect(to).await
}

#[tokio::test]
async fn our_server_lets_the_peer_in() {
    within(async {
        let (listener, bound) = ours(Bind::new()).await;
        let mut connecting = connect_from("127.0.0.2", bound).await.unwrap();
        connecting.say(b"220 hello").await;
        let (mut stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, Address::Ip(connecting.local_addr().unwrap()));
        stream.hear(b"220 hello").await;
        stream.say(b"QUIT").await;
        connecting.hear(b"QUIT").await;
    })
    .await;
}

#[tokio::test]
async fn our_server_says_that_nobody_came() {
    within(async {
        let bind = Bind::new().accept_timeout(Duration::from_millis(1));
        let (listener, _) = ours(bind).await;
        let error = listener.accept().await.unwrap_err();
        assert_eq!(
            error.fault(),
            ClientFault::Target(ReplyCode::TTL_EXPIRED),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn dropping_the_listener_ends_it_at_the_proxy() {
    within(async {
        let (listener, bound) = ours(Bind::new()).await;
        drop(listener);
        // The proxy hears of it soon.
        while connect_from("127.0.0.4", bound).await.is_ok() {
            tokio::task::yield_now().await;
        }

        // A pinned accept can be left and taken up again; a dropped one is the end.
        let (listener, bound) = ours(Bind::new()).await;
        let mut accepting = Box::pin(listener.accept());
        assert!(accepting.as_mut().now_or_never().is_none());
        let mut peer = connect_from("127.0.0.2", bound).await.unwrap();
        let (mut stream, _) = accepting.await.unwrap();
        peer.say(b"hello").await;
        stream.hear(b"hello").await;
    })
    .await;
}
