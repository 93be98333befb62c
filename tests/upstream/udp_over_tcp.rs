//! Datagrams of an association of ours by UDP over TCP, as another proxy sees them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tower::{Layer, Service, ServiceExt, service_fn};
#[cfg(feature = "http-connect")]
use tower_socks::connector::upstream::HttpUpstream;
use tower_socks::{
    AclLayer, BoxError, Client, ClientError, Connector, NoAuth, Request, Tunnel,
    client::ProxySocket,
    connector::{
        Announcement,
        associate::Associate,
        resolve::Lookup,
        upstream::{Socks4Upstream, Socks5Upstream},
    },
    datagram::DatagramTransport,
    error::{Fault, reply_code},
    io::PrefixedStream,
    layer::udp_over_tcp::UdpOverTcpLayer,
    proto::{Address, Command, ProxyVersion, ReplyCode, UdpOverTcp},
};
use tracing::Level;

use crate::support::{
    CONNECTED, HELLO, HELLO_OK, Script,
    log::Log,
    proxy, stack, texts,
    udp_over_tcp::{FORWARD_UDP, V1, V2, addressed, forwarded},
    upstream::{Asked, Diary, by_hand},
    within, within_an_hour,
};

/// The request of version 2.
const EACH: &[u8] = b"\x00\x01\0\0\0\0\0\0";

const SOCKS4_V2: &[u8] = b"\x04\x01\x01\xbb\0\0\0\x01\0sp.v2.udp-over-tcp.arpa\0";
const SOCKS4_V1: &[u8] = b"\x04\x01\x01\xbb\0\0\0\x01\0sp.udp-over-tcp.arpa\0";
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";

#[cfg(feature = "http-connect")]
const HTTP_V2: &[u8] = b"CONNECT sp.v2.udp-over-tcp.arpa:443 HTTP/1.1\r\n\
    Host: sp.v2.udp-over-tcp.arpa:443\r\n\r\n";
#[cfg(feature = "http-connect")]
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// A dialogue: what the proxy hears and says, in turn, up to the first frame.
type Dialogue<'a> = &'a [(&'a [u8], &'a [u8])];

/// Makes a frame of a payload, from or to 192.0.2.1:53.
type Frame = fn(&[u8]) -> Vec<u8>;

const SOCKS5: Dialogue<'static> = &[(HELLO, HELLO_OK), (V2, CONNECTED), (EACH, b"")];

/// A proxy by hand, and an association through it.
struct Scene {
    /// Of a client of ours at our server.
    socket: ProxySocket<TcpStream>,
    /// The server's stream to the proxy.
    proxy: TcpStream,
}

/// Where a proxy by hand listens, and the address.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An association at a server whose transports are these.
async fn associated<M>(
    make_transport: M,
    policy: Diary,
) -> Result<ProxySocket<TcpStream>, ClientError>
where
    M: Service<Request, Response: DatagramTransport, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let associate = Associate::with_transports(make_transport);
    let connector = AclLayer::new(policy).layer(Connector::direct().with_associate(associate));
    let server = proxy(stack(NoAuth, connector)).await;
    let stream = TcpStream::connect(server).await.unwrap();
    Client::new().associate(stream).await
}

/// Nobody has connected.
fn assert_not_asked(listener: TcpListener) {
    let nobody = listener.into_std().unwrap().accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// The proxy's end of a dialogue.
async fn plays(listener: &TcpListener, dialogue: Dialogue<'_>) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    for (hears, says) in dialogue {
        stream.hear(hears).await;
        stream.say(says).await;
    }
    stream
}

async fn scene<M>(
    listener: TcpListener,
    dialogue: Dialogue<'_>,
    make_transport: M,
    policy: Diary,
) -> Scene
where
    M: Service<Request, Response: DatagramTransport, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let (socket, proxy) = tokio::join!(
        associated(make_transport, policy),
        plays(&listener, dialogue)
    );
    Scene {
        socket: socket.unwrap(),
        proxy,
    }
}

/// Through a SOCKS5 proxy, by version 2.
async fn socks5_scene(policy: Diary) -> Scene {
    let (listener, address) = listener().await;
    let upstream = Socks5Upstream::new(address).udp_over_tcp(UdpOverTcp::V2);
    scene(listener, SOCKS5, upstream.into_transports(), policy).await
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

impl Scene {
    async fn send(&mut self, target: &str, payload: &[u8]) {
        let target = address(target);
        self.socket.send_to(payload, &target).await.unwrap();
    }

    async fn receives(&mut self, payload: &[u8]) {
        let mut room = [0; 64];
        let (len, source) = self.socket.recv_from(&mut room).await.unwrap();
        assert_eq!(
            (room[..len].escape_ascii().to_string(), source),
            (payload.escape_ascii().to_string(), address("192.0.2.1:53"))
        );
    }

    /// Datagrams go and come, the latter octet by octet.
    async fn echoes(mut self, frame: Frame) {
        self.send("192.0.2.1:53", b"ping").await;
        self.proxy.hear(&frame(b"ping")).await;
        self.send("192.0.2.1:53", b"").await;
        self.proxy.hear(&frame(b"")).await;
        self.proxy.say_bytewise(&frame(b"pong")).await;
        self.receives(b"pong").await;
        let both = [frame(b""), frame(b"last")].concat();
        self.proxy.say(&both).await;
        self.receives(b"").await;
        self.receives(b"last").await;
        drop(self.socket);
        self.proxy.hear_end().await;
    }
}

#[tokio::test]
async fn through_a_socks5_proxy_by_each_protocol() {
    within(async {
        let each: [(_, Dialogue<'_>, Frame); 3] = [
            (
                UdpOverTcp::V1,
                &[(HELLO, HELLO_OK), (V1, CONNECTED)],
                addressed,
            ),
            (UdpOverTcp::V2, SOCKS5, addressed),
            (
                UdpOverTcp::ForwardUdp,
                &[(HELLO, HELLO_OK), (FORWARD_UDP, CONNECTED)],
                forwarded,
            ),
        ];
        for (protocol, dialogue, frame) in each {
            let (listener, address) = listener().await;
            let upstream = Socks5Upstream::new(address).udp_over_tcp(protocol);
            let made = upstream.into_transports();
            let scene = scene(listener, dialogue, made, Diary::default()).await;
            scene.echoes(frame).await;
        }
    })
    .await;
}

#[tokio::test]
async fn through_a_socks4a_proxy() {
    within(async {
        for (protocol, dialogue) in [
            (None, &[(SOCKS4_V2, GRANTED), (EACH, b"")][..]),
            (Some(UdpOverTcp::V1), &[(SOCKS4_V1, GRANTED)]),
        ] {
            let (listener, address) = listener().await;
            let mut upstream = Socks4Upstream::new(address);
            if let Some(protocol) = protocol {
                upstream = upstream.udp_over_tcp(protocol);
            }
            let made = upstream.into_transports();
            let scene = scene(listener, dialogue, made, Diary::default()).await;
            scene.echoes(addressed).await;
        }
    })
    .await;
}

#[cfg(feature = "http-connect")]
#[tokio::test]
async fn through_an_http_proxy() {
    within(async {
        let (listener, address) = listener().await;
        let made = HttpUpstream::new(address).into_transports();
        let dialogue = &[(HTTP_V2, ESTABLISHED), (EACH, b"")];
        let scene = scene(listener, dialogue, made, Diary::default()).await;
        scene.echoes(addressed).await;
    })
    .await;
}

#[tokio::test]
async fn ipv6_and_names_go_through_a_socks4a_proxy_too() {
    within(async {
        let (listener, address) = listener().await;
        let made = Socks4Upstream::new(address).into_transports();
        let dialogue = &[(SOCKS4_V2, GRANTED), (EACH, b"")];
        let mut scene = scene(listener, dialogue, made, Diary::default()).await;
        scene.send("[2001:db8::1]:53", b"x").await;
        let v6 = b"\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35\x00\x01x";
        scene.proxy.hear(v6).await;
        scene.send("a.example:53", b"x").await;
        scene
            .proxy
            .hear(b"\x02\x09a.example\x00\x35\x00\x01x")
            .await;
    })
    .await;
}

#[tokio::test]
async fn policies_are_asked_about_destinations_and_not_about_the_protocol() {
    within(async {
        let refused: SocketAddr = "192.0.2.9:53".parse().unwrap();
        let diary = Diary::refusing([
            Asked::Address(refused),
            Asked::Name("no.example:53".into()),
            Asked::Stated("never.example:53".into()),
        ]);
        let mut scene = socks5_scene(diary.clone()).await;
        // As if it were a target: then it is one.
        let magic = UdpOverTcp::V2.target().to_string();
        for target in [
            "192.0.2.9:53",
            "no.example:53",
            "never.example:53",
            "224.0.0.251:5353",
            "255.255.255.255:67",
            "0.0.0.0:53",
            "192.0.2.1:0",
            "a.example:0",
            &magic,
        ] {
            scene.send(target, b"no").await;
        }
        scene.send("192.0.2.1:53", b"last").await;
        let frame = b"\x02\x17sp.v2.udp-over-tcp.arpa\x01\xbb\x00\x02no";
        scene.proxy.hear(frame).await;
        scene.proxy.hear(&addressed(b"last")).await;
        let asked = diary.asked();
        assert_eq!(asked[0], Asked::Stated("0.0.0.0:0".into()));
        assert_eq!(asked[1], Asked::Stated("192.0.2.9:53".into()));
        assert_eq!(asked[2], Asked::Address(refused));
    })
    .await;
}

#[tokio::test]
async fn with_local_dns_no_name_is_sent_and_that_of_the_protocol_is_not_resolved() {
    within(async {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let resolver = service_fn(move |_: Lookup| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, BoxError>([std::net::IpAddr::from([192, 0, 2, 1])]) }
        });

        let (first, address) = listener().await;
        let upstream = Socks5Upstream::new(address).udp_over_tcp(UdpOverTcp::V2);
        let made = upstream.local_dns(resolver.clone()).into_transports();
        let socks5 = scene(first, SOCKS5, made, Diary::default()).await;

        let (second, address) = listener().await;
        let upstream = Socks4Upstream::new(address).local_dns(resolver.clone());
        let dialogue = &[(SOCKS4_V2, GRANTED), (EACH, b"")];
        let socks4 = scene(
            second,
            dialogue,
            upstream.into_transports(),
            Diary::default(),
        )
        .await;

        let mut scenes = vec![socks5, socks4];
        #[cfg(feature = "http-connect")]
        {
            let (third, address) = listener().await;
            let upstream = HttpUpstream::new(address).local_dns(resolver);
            let dialogue = &[(HTTP_V2, ESTABLISHED), (EACH, b"")];
            let made = upstream.into_transports();
            scenes.push(scene(third, dialogue, made, Diary::default()).await);
        }
        for mut scene in scenes {
            scene.send("a.example:53", b"no").await;
            scene.send("192.0.2.1:53", b"yes").await;
            scene.proxy.hear(&addressed(b"yes")).await;
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 0);
    })
    .await;
}

#[tokio::test]
async fn the_client_is_announced_first() {
    const NOBODY: &[u8] = b"PROXY UNKNOWN\r\n";

    within(async {
        let announcement = Announcement::new(ProxyVersion::V1);
        let (listener, address) = listener().await;
        let upstream = Socks4Upstream::new(address).announce(announcement.clone());
        // The client's ports are the system's: the line is read by itself.
        let made = upstream.into_transports();
        let (socket, mut proxy) = tokio::join!(associated(made, Diary::default()), async {
            let (mut proxy, _) = listener.accept().await.unwrap();
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(proxy.read_u8().await.unwrap());
            }
            assert!(
                line.starts_with(b"PROXY TCP4 127.0.0.1 127.0.0.1 "),
                "{}",
                line.escape_ascii()
            );
            assert!(!line.starts_with(NOBODY));
            proxy.hear(SOCKS4_V2).await;
            proxy.say(GRANTED).await;
            proxy
        });
        let _socket = socket.unwrap();
        proxy.hear(EACH).await;
    })
    .await;
}

#[tokio::test]
async fn codes_of_refusals_come_back() {
    within(async {
        for code in [1_u8, 2, 4, 5, 7, 0x77] {
            let (listener, address) = listener().await;
            let upstream = Socks5Upstream::new(address).udp_over_tcp(UdpOverTcp::V2);
            let reply = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
            let dialogue = [(HELLO, HELLO_OK), (V2, &reply[..])];
            let made = upstream.into_transports();
            let (socket, _proxy) = tokio::join!(
                associated(made, Diary::default()),
                plays(&listener, &dialogue)
            );
            assert_eq!(reply_code(&socket.unwrap_err()), ReplyCode(code));
        }
    })
    .await;
}

#[tokio::test]
async fn a_protocol_that_connect_cannot_ask_for_is_refused_before_the_proxy_is_asked() {
    within(async {
        let (listener, address) = listener().await;
        let upstream = Socks4Upstream::new(address).udp_over_tcp(UdpOverTcp::ForwardUdp);
        let refused = associated(upstream.into_transports(), Diary::default()).await;
        let unsupported = ReplyCode::COMMAND_NOT_SUPPORTED;
        assert_eq!(reply_code(&refused.unwrap_err()), unsupported);
        #[cfg(feature = "http-connect")]
        {
            let upstream = HttpUpstream::new(address).udp_over_tcp(UdpOverTcp::ForwardUdp);
            let refused = associated(upstream.into_transports(), Diary::default()).await;
            assert_eq!(reply_code(&refused.unwrap_err()), unsupported);
        }
        // A proxy of SOCKS4 alone has no place for the name.
        let client = tower_socks::client::Socks4Client::new().without_names();
        let upstream = Socks4Upstream::new(address).client(client);
        let refused = associated(upstream.into_transports(), Diary::default()).await;
        let code = ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED;
        assert_eq!(reply_code(&refused.unwrap_err()), code);
        assert_not_asked(listener);
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_the_association() {
    within(async {
        for last in [
            &b""[..],
            b"\x00\xc0\x00",
            b"\xff\xff\xff\xff",
            b"\x03\x01a\x00\x35\x00\x00",
        ] {
            let Scene {
                mut socket,
                mut proxy,
            } = socks5_scene(Diary::default()).await;
            proxy.say(last).await;
            if last.first() != Some(&0xff) {
                drop(proxy);
            }
            let ended = socket.recv_from(&mut [0; 64]).await.unwrap_err();
            let text = texts(&ended);
            assert!(text.contains("proxy ended the association"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_malformed_frame_is_in_the_log_as_the_proxys_doing() {
    within(async {
        let (log, _guard) = Log::start(Level::INFO);
        let mut scene = socks5_scene(Diary::default()).await;
        scene.proxy.say(b"\x03\x06secret\x00\x35\x00\x00").await;
        scene.proxy.hear_end().await;
        scene.socket.recv_from(&mut [0; 64]).await.unwrap_err();
        let text = log.text();
        let said = "proxy sent a malformed frame of UDP over TCP";
        assert!(text.contains(said), "{text}");
        assert!(!text.contains("secret") && !text.contains("WARN"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn datagrams_come_while_the_proxy_reads_nothing() {
    within(async {
        let mut scene = socks5_scene(Diary::default()).await;
        // More than all buffers on the road to it hold: what finds no room is dropped, and nobody waits for ever.
        for _ in 0..2_000 {
            scene.send("192.0.2.1:53", &[7; 8_000]).await;
        }
        scene.proxy.say(&addressed(b"pong")).await;
        scene.receives(b"pong").await;
        // What it reads in the end is frames, from the first to the last.
        let frame = addressed(&[7; 8_000]);
        for _ in 0..10 {
            scene.proxy.hear(&frame).await;
        }
    })
    .await;
}

/// In memory from end to end: the client's stream, and that to the proxy.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_reads_nothing_holds_back_the_client_and_silence_ends_it() {
    within_an_hour(async {
        let (way, mut far) = by_hand();
        let upstream = Socks5Upstream::new("192.0.2.1:1080").via(way);
        let made = upstream.udp_over_tcp(UdpOverTcp::V1).into_transports();
        let idle = Duration::from_secs(60);
        let associate = Associate::with_transports(made).idle_timeout(idle);
        let layered = UdpOverTcpLayer::new().layer(associate);
        let request = Request::new(Command::CONNECT, UdpOverTcp::V1.target());
        let (tunnel, ()) = tokio::join!(layered.oneshot(request), async {
            far.hear(HELLO).await;
            far.say(HELLO_OK).await;
            far.hear(V1).await;
            far.say(CONNECTED).await;
        });
        let (mut client, near) = tokio::io::duplex(64 * 1024);
        let running = tokio::spawn(tunnel.unwrap().run(PrefixedStream::new(near)));

        let frame = addressed(&[7; 1_000]);
        let mut written = 0;
        let began = Instant::now();
        while client.write_all(&frame).await.is_ok() {
            written += 1_000;
        }
        let ended = texts(&running.await.unwrap().unwrap_err());
        assert!(ended.contains("idle"), "{ended}");
        assert!(began.elapsed() >= idle, "{:?}", began.elapsed());
        // What two streams hold, one batch, and what was read with it.
        assert!(written < 1_000_000, "{written} octets");
        // Whole frames have left, but for the last.
        let heard = far.hear_rest().await;
        assert!(heard.len() > 60_000, "{} octets", heard.len());
        assert!(heard.chunks_exact(frame.len()).all(|it| it == frame));
    })
    .await;
}

/// Without the layer the proxy would get its client's frames, and no policy of ours would see a destination.
#[tokio::test]
async fn a_client_cannot_ask_the_proxy_for_it_past_our_policies() {
    within(async {
        let (listener, address) = listener().await;
        let upstream = Socks5Upstream::new(address).udp_over_tcp(UdpOverTcp::V2);
        let server = proxy(stack(NoAuth, Connector::upstream(upstream))).await;
        for protocol in [UdpOverTcp::V1, UdpOverTcp::V2, UdpOverTcp::ForwardUdp] {
            let stream = TcpStream::connect(server).await.unwrap();
            let refused = Client::new().udp_over_tcp_by(stream, protocol).await;
            let code = ReplyCode::COMMAND_NOT_SUPPORTED;
            assert_eq!(reply_code(&refused.unwrap_err()), code);
        }
        assert_not_asked(listener);
    })
    .await;
}

/// A connector from outside the crate that hands names to another proxy asks before it does.
#[tokio::test]
async fn a_name_that_is_handed_on_does_not_ask_for_it() {
    for name in [
        "sp.udp-over-tcp.arpa",
        "sp.v2.udp-over-tcp.arpa",
        "SP.v2.UDP-over-TCP.arpa.",
        "sp\u{3002}v2.udp-over-tcp\u{ff0e}arpa",
        "\u{ff53}\u{ff50}.udp-over-tcp.arpa",
    ] {
        let target = Address::new(name, 443).unwrap();
        let mut request = Request::new(Command::CONNECT, target);
        let refused = request.approve_name().unwrap_err();
        let code = reply_code(&refused);
        assert_eq!(code, ReplyCode::COMMAND_NOT_SUPPORTED, "{name}");
        // Of no other command, and as a destination, it is a name like any other.
        request.command = Command::RESOLVE;
        request.approve_name().unwrap();
        request.command = Command::UDP_ASSOCIATE;
        request.approve_name().unwrap();
    }
    for name in ["v2.udp-over-tcp.arpa", "sp.v3.udp-over-tcp.arpa"] {
        let target = Address::new(name, 443).unwrap();
        let request = Request::new(Command::CONNECT, target);
        request.approve_name().unwrap();
    }
}

/// A proxy that knows nothing of it looks for a host of that name.
#[tokio::test]
async fn a_proxy_that_does_not_know_the_name_is_told_from_a_target_that_does_not_answer() {
    within(async {
        let (listener, address) = listener().await;
        let request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
        let socks5: (&[u8], &[u8]) = (V2, b"\x05\x04\0\x01\0\0\0\0\0\0");
        let socks4: (&[u8], &[u8]) = (
            b"\x04\x01\x01\xbb\0\0\0\x01\0sp.v2.udp-over-tcp.arpa\0",
            b"\0\x5b\0\0\0\0\0\0",
        );
        let through = Socks5Upstream::new(address).udp_over_tcp(UdpOverTcp::V2);
        let dialogue = [(HELLO, HELLO_OK), socks5];
        let (refused, _proxy) = tokio::join!(
            through.into_transports().oneshot(request.clone()),
            plays(&listener, &dialogue)
        );
        assert_is_the_proxys(&refused.unwrap_err(), "proxy replied: host unreachable");

        let through = Socks4Upstream::new(address);
        let dialogue = [socks4];
        let (refused, _proxy) = tokio::join!(
            through.into_transports().oneshot(request.clone()),
            plays(&listener, &dialogue)
        );
        assert_is_the_proxys(&refused.unwrap_err(), "request rejected or failed");

        #[cfg(feature = "http-connect")]
        {
            let through = HttpUpstream::new(address);
            let connect = b"CONNECT sp.v2.udp-over-tcp.arpa:443 HTTP/1.1\r\nHost: sp.v2.udp-over-tcp.arpa:443\r\n\r\n";
            let dialogue: [(&[u8], &[u8]); 1] = [(connect, b"HTTP/1.1 503 No\r\n\r\n")];
            let (refused, _proxy) = tokio::join!(
                through.into_transports().oneshot(request.clone()),
                plays(&listener, &dialogue)
            );
            assert_is_the_proxys(&refused.unwrap_err(), "HTTP proxy answered 503");
        }
    })
    .await;
}

fn assert_is_the_proxys(error: &BoxError, said: &str) {
    let text = texts(&**error);
    let opens_none = "the proxy opens no stream for UDP over TCP";
    assert!(text.contains(opens_none) && text.contains(said), "{text}");
    assert_eq!(Fault::of(&**error), Fault::Upstream);
}
