//! Urgent data (TCP's URG, `MSG_OOB`) in a stream: nothing is lost, and nothing waits for it.

use std::time::Duration;

use rustix::net::{SendFlags, send};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower::Layer;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth, TunnelExt,
    connector::{bind::Bind, direct::Direct, upstream::Socks5Upstream},
    io::{Direction, Meter},
    layer::{mixed::MixedLayer, socks4::Socks4Layer},
    relay::Relay,
    serve,
};

use crate::support::{HELLO, HELLO_OK, Script, connect_to, sockets::pair};

const MIB: usize = 1024 * 1024;

struct Pair {
    client: TcpStream,
    target: TcpStream,
}

#[derive(Clone, Copy, Debug)]
enum Path {
    Direct,
    Upstream,
    Metered,
    Bind,
    Socks4,
    #[cfg(feature = "http-server")]
    Http,
}

/// Lets through a little at a time, as a bandwidth does.
struct Slices;

impl Meter for Slices {
    fn poll_allowance(
        &mut self,
        _: &mut std::task::Context<'_>,
        _: Direction,
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(40_000))
    }

    fn moved(&mut self, _: Direction, _: usize) {}
}

async fn server<C, T>(connector: C) -> std::net::SocketAddr
where
    C: tower::Service<
            tower_socks::Request,
            Response = T,
            Error = tower_socks::BoxError,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static,
    T: tower_socks::Tunnel + 'static,
{
    let layer = MixedLayer::new()
        .socks5(HandshakeLayer::new())
        .socks4(Socks4Layer::new());
    #[cfg(feature = "http-server")]
    let layer = layer.http(tower_socks::layer::http::HttpLayer::new());
    let stack = layer.layer(AuthLayer::new(NoAuth).layer(connector));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, stack).into_future());
    address
}

async fn open(path: Path) -> Pair {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = server(Connector::direct().with_bind(Bind::new())).await;
    let proxy = match path {
        Path::Direct | Path::Bind | Path::Socks4 => plain,
        #[cfg(feature = "http-server")]
        Path::Http => plain,
        Path::Upstream => {
            let upstream = Socks5Upstream::new(tower_socks::proto::Address::Ip(plain));
            server(Connector::direct().with_connect(upstream)).await
        }
        Path::Metered => {
            let connector = Connector::direct().with_connect(Direct::new());
            server(tower::ServiceExt::map_response(connector, |tunnel| {
                tunnel.metered(Slices)
            }))
            .await
        }
    };
    let mut client = TcpStream::connect(proxy).await.unwrap();
    let address = target.local_addr().unwrap();
    let (request, reply) = match path {
        Path::Socks4 => {
            let port = address.port().to_be_bytes();
            let request = [b"\x04\x01", &port[..], b"\x7f\0\0\x01\0"].concat();
            (request, 8)
        }
        #[cfg(feature = "http-server")]
        Path::Http => {
            let request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n");
            (request.into_bytes(), b"HTTP/1.1 200 OK\r\n\r\n".len())
        }
        _ => (Vec::new(), 0),
    };
    if reply > 0 {
        client.say(&request).await;
        let (target, _) = target.accept().await.unwrap();
        client.read_exact(&mut vec![0; reply]).await.unwrap();
        return Pair { client, target };
    }
    client.say(HELLO).await;
    client.hear(HELLO_OK).await;
    if matches!(path, Path::Bind) {
        client
            .say(b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00")
            .await;
        let mut reply = [0; 10];
        client.read_exact(&mut reply).await.unwrap();
        let port = u16::from_be_bytes([reply[8], reply[9]]);
        let target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        client.read_exact(&mut reply).await.unwrap();
        return Pair { client, target };
    }
    client
        .say(&connect_to(&target.local_addr().unwrap().to_string()))
        .await;
    let (target, _) = target.accept().await.unwrap();
    client.read_exact(&mut [0; 10]).await.unwrap();
    Pair { client, target }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place % 251) as u8).collect()
}

async fn urgent(from: &TcpStream, octets: &[u8]) {
    loop {
        from.writable().await.unwrap();
        match from.try_io(tokio::io::Interest::WRITABLE, || {
            Ok(send(from, octets, SendFlags::OOB | SendFlags::DONTWAIT)?)
        }) {
            Ok(_) => return,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// `before`, one urgent octet, and `after`, of which everything has to arrive.
async fn passes(mut from: TcpStream, mut to: TcpStream, before: usize, after: usize, what: &str) {
    let (head, tail) = (pattern(before), pattern(after));
    let expected = [&*head, b"!", &*tail].concat();
    let sending = async {
        from.write_all(&head).await.unwrap();
        urgent(&from, b"!").await;
        from.write_all(&tail).await.unwrap();
        from.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let hearing = async { to.read_to_end(&mut heard).await.unwrap() };
    let (_, _) = timeout(Duration::from_secs(20), async {
        tokio::join!(sending, hearing)
    })
    .await
    .unwrap_or_else(|_| panic!("{what}: nothing moves any more"));
    assert_eq!(heard.len(), expected.len(), "{what}");
    assert!(heard == expected, "{what}: octets are changed");
    // The other direction is as it was.
    to.say(b"goes on").await;
    from.hear(b"goes on").await;
}

async fn each_way(path: Path) {
    for (before, after) in [(4 * MIB, 4 * MIB), (4 * MIB, 0), (0, 4 * MIB), (3, 3)] {
        for up in [true, false] {
            let Pair { client, target } = open(path).await;
            let (from, to) = if up {
                (client, target)
            } else {
                (target, client)
            };
            let what = format!("{path:?}, up {up}, {before} and {after}");
            passes(from, to, before, after, &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_client_and_target() {
    each_way(Path::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_an_upstream() {
    each_way(Path::Upstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_a_limit() {
    each_way(Path::Metered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_peer_of_a_bind() {
    each_way(Path::Bind).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_a_client_of_socks4() {
    each_way(Path::Socks4).await;
}

#[cfg(feature = "http-server")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_a_client_of_http() {
    each_way(Path::Http).await;
}

/// A mark on what comes before the tunnel: with the request, or while it is executed.
#[tokio::test]
async fn ahead_of_the_tunnel() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = server(Connector::direct()).await;
    let mut client = TcpStream::connect(proxy).await.unwrap();
    urgent(&client, HELLO).await;
    client.hear(HELLO_OK).await;
    let request = connect_to(&target.local_addr().unwrap().to_string());
    urgent(&client, &[&*request, b"ahead"].concat()).await;
    urgent(&client, b"!").await;
    let (mut target, _) = target.accept().await.unwrap();
    target.hear(b"ahead!").await;
    client.read_exact(&mut [0; 10]).await.unwrap();
    passes(client, target, 3, 3, "behind it").await;
}

#[tokio::test]
async fn many_marks_one_after_the_other() {
    let Pair { client, target } = open(Path::Direct).await;
    let (from, mut to) = (client, target);
    let block = pattern(100_000);
    let sending = async {
        let mut from = from;
        for _ in 0..40 {
            from.write_all(&block).await.unwrap();
            urgent(&from, b"!").await;
        }
        from.shutdown().await.unwrap();
        from
    };
    let mut heard = Vec::new();
    let hearing = async { to.read_to_end(&mut heard).await.unwrap() };
    let _ends = timeout(Duration::from_secs(20), async {
        tokio::join!(sending, hearing)
    })
    .await
    .expect("nothing moves any more");
    assert_eq!(heard.len(), 40 * 100_001);
}

#[tokio::test]
async fn what_comes_in_one_segment_with_its_mark_arrives_without_another() {
    let Pair { client, mut target } = open(Path::Direct).await;
    for round in 0..3 {
        // The mark is on the last octet, so a read stops before it.
        urgent(&client, b"\xff\xf4\xff\xf2").await;
        let arrives = target.hear(b"\xff\xf4\xff\xf2");
        let arrived = timeout(Duration::from_secs(5), arrives).await;
        arrived.unwrap_or_else(|_| panic!("round {round}: it waits for the next segment"));
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_behind_a_mark_does_not_wait_for_more_to_come() {
    // All of it is there before the first read, and neither an end nor another segment follows.
    for splice in [true, false] {
        let (mut client, near) = inline_pair().await;
        let (mut target, far) = inline_pair().await;
        let expected = [b"abc!", &*pattern(100_000)].concat();
        client.say(b"abc").await;
        urgent(&client, b"!").await;
        client.say(&expected[4..]).await;
        let relay = tokio::spawn(Relay::new().splice(splice).run(near, far));
        let mut heard = vec![0; expected.len()];
        let hearing = timeout(Duration::from_secs(20), target.read_exact(&mut heard));
        hearing.await.expect("nothing moves any more").unwrap();
        assert!(heard == expected, "octets are changed");
        relay.abort();
    }
}

/// A connection, and its other end as a server accepts it: urgent data is in the stream.
async fn inline_pair() -> (TcpStream, TcpStream) {
    let (near, far) = pair().await;
    socket2::SockRef::from(&far)
        .set_out_of_band_inline(true)
        .unwrap();
    (near, far)
}
