//! Clients are announced to listed targets, and to upstreams.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::{TcpListener, TcpStream},
};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, Client, Connector, Request,
    connector::{
        Announcement,
        bind::Bind,
        direct::Direct,
        upstream::{HttpUpstream, Socks5Upstream},
    },
    proto::{Address, Command, Decode, Decoded, Network, ProxyHeader, ProxyTlv, ProxyVersion},
    session::Connected,
};

use crate::support::{CONNECTED, HELLO, HELLO_OK, Script, sockets::resolving_to, within};

const CLIENT: &str = "203.0.113.5:50000";
const LOCAL: &str = "203.0.113.1:1080";

/// A request of that client.
fn request(target: impl Into<Address>) -> Request {
    let mut request = Request::new(Command::CONNECT, target.into());
    request.peer = CLIENT.parse().unwrap();
    request.local = LOCAL.parse().unwrap();
    request
}

fn loopback() -> Network {
    "127.0.0.0/8".parse().unwrap()
}

/// What a target hears in front of `more`.
async fn header(target: &mut TcpStream, more: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    while !heard.ends_with(more) {
        heard.push(target.read_u8().await.unwrap());
    }
    heard.truncate(heard.len() - more.len());
    heard
}

/// A dial to a target: what that hears before the first octet of the client.
async fn announced(direct: Direct, request: impl FnOnce(SocketAddr) -> Request) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut stream = direct.oneshot(request(address)).await.unwrap();
    let (mut target, _) = listener.accept().await.unwrap();
    stream.say(b"ping").await;
    let heard = header(&mut target, b"ping").await;
    target.say(b"pong").await;
    stream.hear(b"pong").await;
    heard
}

fn decoded(octets: &[u8]) -> ProxyHeader {
    match ProxyHeader::decode(octets) {
        Ok(Decoded::Done(header, taken)) if taken == octets.len() => header,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn p8_before_the_first_octet_in_both_versions() {
    within(async {
        let v1 = Direct::new().announce(Announcement::new(ProxyVersion::V1).to([loopback()]));
        let mut port = 0;
        let heard = announced(v1, |target| {
            port = target.port();
            request(target)
        })
        .await;
        let line = format!("PROXY TCP4 203.0.113.5 127.0.0.1 50000 {port}\r\n");
        assert_eq!(
            heard.escape_ascii().to_string(),
            line.as_bytes().escape_ascii().to_string()
        );

        let v2 = Announcement::new(ProxyVersion::V2)
            .to([loopback()])
            .with_tlvs(|request| vec![(0xe0, request.command.to_string().into_bytes())])
            .with_authority()
            .with_checksum();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Address::new("backend.example", listener.local_addr().unwrap().port());
        let direct = resolving_to(&["127.0.0.1"]).announce(v2.clone());
        let mut stream = direct.oneshot(request(target.unwrap())).await.unwrap();
        let (mut target, _) = listener.accept().await.unwrap();
        stream.say(b"ping").await;
        let header = decoded(&header(&mut target, b"ping").await);
        assert_eq!(header.source(), Some(CLIENT.parse().unwrap()));
        assert_eq!(header.destination(), Some(listener.local_addr().unwrap()));
        assert_eq!(header.authority(), Some("backend.example"));
        assert_eq!(header.tlv(0xe0), Some(&b"CONNECT"[..]));
        assert!(header.tlv(ProxyTlv::CRC32C).is_some());
        // The client asked for an address: there is no name to tell.
        let heard = announced(Direct::new().announce(v2), request).await;
        assert_eq!(decoded(&heard).authority(), None);
    })
    .await;
}

#[tokio::test]
async fn p8_to_listed_targets_only() {
    within(async {
        let announcement = || Announcement::new(ProxyVersion::V1);
        let elsewhere = "192.0.2.0/24".parse().unwrap();
        let never = |_: &Request, _: SocketAddr| false;
        for unlisted in [
            announcement(),
            announcement().to([elsewhere]),
            announcement().to([loopback()]).when(never),
            announcement().when(|_, _| true),
        ] {
            assert_eq!(
                announced(Direct::new().announce(unlisted), request).await,
                b""
            );
        }
        let port = |request: &Request, reached: SocketAddr| {
            reached.port() == request.target.port() && reached.ip().is_loopback()
        };
        let listed = announcement().to([elsewhere, loopback()]).when(port);
        assert_ne!(
            announced(Direct::new().announce(listed), request).await,
            b""
        );
    })
    .await;
}

/// A client of a Unix socket has no address, and a connection of the proxy's own has no client.
#[tokio::test]
async fn p8_without_a_client() {
    within(async {
        let nobody = |target: SocketAddr| {
            let mut request = request(target);
            request.peer = "0.0.0.0:0".parse().unwrap();
            request
        };
        for (version, expected) in [
            (ProxyVersion::V1, ProxyHeader::unknown(ProxyVersion::V1)),
            (ProxyVersion::V2, ProxyHeader::unknown(ProxyVersion::V2)),
        ] {
            let direct = Direct::new().announce(Announcement::new(version).to([loopback()]));
            assert_eq!(announced(direct.clone(), nobody).await, expected.encode());

            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut stream = direct
                .oneshot(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (mut target, _) = listener.accept().await.unwrap();
            stream.say(b"ping").await;
            let heard = decoded(&header(&mut target, b"ping").await);
            assert_eq!(heard.source(), None);
            assert_eq!(heard.is_local(), version == ProxyVersion::V2);
        }
    })
    .await;
}

/// A transport to a proxy in memory.
fn transport() -> (
    impl tower_socks::connector::upstream::Transport + Sync,
    tokio::sync::mpsc::UnboundedReceiver<DuplexStream>,
) {
    let (seen, proxies) = tokio::sync::mpsc::unbounded_channel();
    let transport = service_fn(move |_: Address| {
        let (near, far) = tokio::io::duplex(1024);
        let sent = seen.send(far);
        async move {
            sent?;
            Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
        }
    });
    (transport, proxies)
}

/// In front of every connection to a proxy.
#[tokio::test]
async fn p8_to_an_upstream() {
    within(async {
        let announcement = Announcement::new(ProxyVersion::V1);
        let line = b"PROXY TCP4 203.0.113.5 203.0.113.1 50000 1080\r\n";
        let target: Address = "example.com:80".parse().unwrap();

        let (transport, mut proxies) = transport();
        let socks = Socks5Upstream::new("192.0.2.9:1080")
            .via(transport)
            .announce(announcement.clone());
        let connector = Connector::upstream(socks);
        let dial = tokio::spawn(connector.clone().oneshot(request(target.clone())));
        let mut proxy = proxies.recv().await.unwrap();
        proxy.hear(line).await;
        proxy.hear(HELLO).await;
        proxy.say(HELLO_OK).await;
        proxy.hear(b"\x05\x01\x00\x03\x0bexample.com\x00\x50").await;
        proxy.say(CONNECTED).await;
        drop(dial.await.unwrap().unwrap());
        for command in [Command::BIND, Command::UDP_ASSOCIATE] {
            let mut request = request(target.clone());
            request.command = command;
            // Where we have an address to open a socket on.
            request.local = "127.0.0.1:1080".parse().unwrap();
            let dial = tokio::spawn(connector.clone().oneshot(request));
            let mut proxy = proxies.recv().await.unwrap();
            proxy
                .hear(b"PROXY TCP4 203.0.113.5 127.0.0.1 50000 1080\r\n")
                .await;
            proxy.hear(HELLO).await;
            drop(proxy);
            assert!(dial.await.unwrap().is_err());
        }

        let (transport, mut proxies) = self::transport();
        let http = HttpUpstream::new("192.0.2.9:3128")
            .via(transport)
            .announce(announcement);
        let dial = tokio::spawn(http.clone().oneshot(request(target.clone())));
        let mut proxy = proxies.recv().await.unwrap();
        proxy.hear(line).await;
        proxy.hear(b"CONNECT example.com:80 HTTP/1.1\r\n").await;
        proxy.say(b"HTTP/1.1 200 OK\r\n\r\n").await;
        dial.await.unwrap().unwrap();
        // Without a client.
        let _dial = tokio::spawn(http.oneshot(target));
        proxies
            .recv()
            .await
            .unwrap()
            .hear(b"PROXY UNKNOWN\r\nCONNECT")
            .await;
    })
    .await;
}

/// A proxy that takes nothing is not waited for beyond the limit.
#[tokio::test(start_paused = true)]
async fn p8_a_write_that_blocks() {
    let transport = service_fn(|_: Address| async {
        let (near, far) = tokio::io::duplex(4);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(far);
        });
        Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
    });
    let upstream = Socks5Upstream::new("192.0.2.9:1080")
        .via(transport)
        .client(Client::new().timeout(Duration::from_secs(5)))
        .announce(Announcement::new(ProxyVersion::V2));
    let started = tokio::time::Instant::now();
    let target: Address = "example.com:80".parse().unwrap();
    let error = upstream.oneshot(request(target)).await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(5), "{error}");
}

/// Listeners of BIND are nobody's target.
#[tokio::test]
async fn p8_not_for_who_connects_to_us() {
    within(async {
        let direct = Direct::new().announce(Announcement::new(ProxyVersion::V1).to([loopback()]));
        let connector = Connector::direct()
            .with_connect(direct)
            .with_bind(Bind::new());
        let mut asked = request("127.0.0.1:0".parse::<SocketAddr>().unwrap());
        asked.command = Command::BIND;
        asked.local = "127.0.0.1:1080".parse().unwrap();
        let tunnel = connector.oneshot(asked).await.unwrap();
        let bound = tower_socks::Tunnel::bound(&tunnel);
        let mut peer = TcpStream::connect(bound.to_string()).await.unwrap();
        drop(tunnel);
        let mut heard = Vec::new();
        let _ = peer.read_to_end(&mut heard).await;
        assert_eq!(heard, b"");
    })
    .await;
}
