//! O1 to O3: the same tunnel through SOCKS4a and HTTP CONNECT, on one port for all, inside TLS or not.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::UdpSocket,
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth,
    layer::{
        mixed::MixedLayer, socks4::Socks4Layer, trace::TraceLayer, udp_over_tcp::UdpOverTcpLayer,
    },
};
use tracing::Level;

use crate::{
    support::{
        Script,
        log::Log,
        udp::{
            Client,
            association::{receive, socket},
            within,
        },
    },
    tunnel::{Mode, Session, at},
};

/// One port for all protocols.
fn stack<Io>() -> impl Session<Io> + use<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let protocols = MixedLayer::new()
        .socks5(HandshakeLayer::new())
        .socks4(Socks4Layer::new());
    #[cfg(feature = "http-server")]
    let protocols = protocols.http(tower_socks::layer::http::HttpLayer::new());
    ServiceBuilder::new()
        .layer(protocols)
        .layer(AuthLayer::new(NoAuth))
        .layer(UdpOverTcpLayer::new())
        .layer(TraceLayer::new())
        .service(Connector::direct())
}

/// What a client says, and the reply to it.
type Dialogue = (Vec<u8>, Vec<u8>);

fn socks4a(host: &str, port: u16) -> Dialogue {
    let port = port.to_be_bytes();
    let said = [
        b"\x04\x01",
        &port[..],
        b"\0\0\0\x01\0",
        host.as_bytes(),
        b"\0",
    ]
    .concat();
    (said, b"\0\x5a\0\0\0\0\0\0".to_vec())
}

#[cfg(feature = "http-server")]
fn http(host: &str, port: u16) -> Dialogue {
    let head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    (head.into_bytes(), b"HTTP/1.1 200 OK\r\n".to_vec())
}

/// A datagram there and one back, of which the first comes with the request.
async fn exchange<Io: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io,
    mode: Mode,
    (said, reply): Dialogue,
) {
    let target: UdpSocket = socket("127.0.0.1").await;
    let to = at(&target);
    let early = [mode.first(&to), mode.frame(&to, b"ping")].concat();
    io.say(&[said, early].concat()).await;
    let (heard, source) = receive(&target).await;
    assert_eq!(heard, b"ping");
    io.hear(&reply).await;
    if reply.starts_with(b"HTTP") {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head != b"\r\n" {
            head.push(io.read_u8().await.unwrap());
        }
    }
    target.send_to(b"pong!", source).await.unwrap();
    io.hear(&mode.frame(&to, b"pong!")).await;
}

/// Requests for it, each with the mode, what is said and the reply.
fn requests() -> Vec<(Mode, Dialogue, &'static str)> {
    let mut requests = Vec::new();
    for (mode, host) in [
        (Mode::V1, "sp.udp-over-tcp.arpa"),
        (Mode::V2, "sp.v2.udp-over-tcp.arpa"),
        (Mode::Connected, "SP.v2.Udp-over-tcp.arpa."),
    ] {
        for port in [0, 1, 443, 65_535] {
            requests.push((mode, socks4a(host, port), "socks4"));
            #[cfg(feature = "http-server")]
            requests.push((mode, http(host, port), "http"));
        }
    }
    requests
}

#[tokio::test]
async fn o1_o2_any_protocol_with_a_connect_opens_a_tunnel_at_any_port() {
    within(async {
        for (mode, request, protocol) in requests() {
            let (log, _guard) = Log::start(Level::INFO);
            let mut client = Client::new(stack()).await;
            exchange(&mut client.io, mode, request).await;
            let traffic = client.lingering_close().await.unwrap();
            assert_eq!((traffic.up, traffic.down), (4, 5));
            // The line tells what was asked for.
            let log = log.text().to_lowercase();
            let line = log
                .lines()
                .find(|line| line.contains("session ended"))
                .unwrap();
            for part in [
                &*format!("protocol={protocol}"),
                "command=connect",
                "udp-over-tcp.arpa:",
                "outcome=done",
            ] {
                assert!(line.contains(part), "no {part} in {line}");
            }
        }
    })
    .await;
}

#[cfg(feature = "http-server")]
#[tokio::test]
async fn http_needs_a_port_and_no_other_host_has_port_0() {
    within(async {
        for target in [
            "sp.v2.udp-over-tcp.arpa",
            "sp.v2.udp-over-tcp.arpa:",
            "example.com:0",
        ] {
            let mut client = Client::new(stack()).await;
            let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
            client.io.say(head.as_bytes()).await;
            client.io.hear(b"HTTP/1.1 400 ").await;
        }
    })
    .await;
}

/// What is forwarded is no CONNECT: its octets are no frames, whatever its target is called.
#[cfg(feature = "http-server")]
#[tokio::test]
async fn a_request_that_is_forwarded_opens_no_tunnel() {
    within(async {
        for host in ["sp.udp-over-tcp.arpa", "sp.v2.udp-over-tcp.arpa"] {
            let mut client = Client::new(stack()).await;
            let head = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
            client.io.say(head.as_bytes()).await;
            client.io.hear(b"HTTP/1.1 502 ").await;
        }
    })
    .await;
}

#[cfg(feature = "tls")]
mod tls {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tower::{Layer, ServiceExt};
    use tower_socks::session::Accepted;

    use super::*;
    use crate::{
        memory::{Far, associate},
        support::{
            settle,
            tls::{World, shake},
            udp::{address, ear::Ear},
            within_an_hour,
        },
        tunnel,
    };

    /// Answers leave at once, although TLS could keep them.
    #[tokio::test]
    async fn inside_tls_as_well() {
        within(async {
            let world = World::new();
            for (mode, request, _) in requests() {
                let mut client = Client::new(world.layer().layer(stack())).await;
                let mut io = shake(world.client(), &mut client.io).await.unwrap();
                exchange(&mut io, mode, request).await;
                io.shutdown().await.unwrap();
                drop(io);
                let traffic = client.lingering_close().await.unwrap();
                assert_eq!((traffic.up, traffic.down), (4, 5));
            }
        })
        .await;
    }

    /// The end of an association is said inside TLS, where a stream that only stops may have been cut by anybody.
    #[tokio::test(start_paused = true)]
    async fn the_end_is_said_inside_tls() {
        within_an_hour(async {
            let world = World::new();
            let associate = |mode: Option<Mode>| match mode {
                Some(mode) => mode.request(),
                None => b"\x05\x03\x00\x01\0\0\0\0\0\0".to_vec(),
            };
            for mode in [Some(Mode::V1), Some(Mode::ForwardUdp), None] {
                let stack = world.layer().layer(stack());
                let (io, near) = tokio::io::duplex(4_096);
                let accepted = Accepted::new(
                    near,
                    "127.0.0.1:9".parse().unwrap(),
                    "127.0.0.1:1080".parse().unwrap(),
                );
                let session = tokio::spawn(stack.oneshot(accepted));
                let mut io = shake(world.client(), io).await.unwrap();
                io.say(b"\x05\x01\x00").await;
                io.hear(b"\x05\x00").await;
                io.say(&associate(mode)).await;
                io.hear(b"\x05\x00\x00\x01").await;
                let mut bound = [0; 6];
                io.read_exact(&mut bound).await.unwrap();
                // Five minutes later.
                assert_eq!(io.read(&mut bound).await.unwrap(), 0, "{mode:?}");
                session.await.unwrap().unwrap_err();
            }
        })
        .await;
    }

    /// What TLS takes ahead is bounded as well.
    #[tokio::test(start_paused = true)]
    async fn a_client_inside_tls_that_does_not_read_loses_whole_frames() {
        within(async {
            let world = World::new();
            let (far, ear) = (Far::default(), Ear::default());
            let stack = tunnel::metered(associate(&far).backlog(10_000), &ear);
            let stack = world.layer().layer(stack);
            let (io, near) = tokio::io::duplex(4_096);
            let accepted = Accepted::new(
                near,
                "127.0.0.1:9".parse().unwrap(),
                "127.0.0.1:1080".parse().unwrap(),
            );
            let _session = tokio::spawn(stack.oneshot(accepted));
            let mut io = shake(world.client(), io).await.unwrap();
            io.say(b"\x05\x01\x00").await;
            io.hear(b"\x05\x00").await;
            io.say(&Mode::V1.request()).await;
            io.hear(b"\x05\x00\x00\x01\0\0\0\0\0\0").await;
            let source = "192.0.2.1:53";
            let frame = |payload: &[u8]| Mode::V1.frame(&address(source.parse().unwrap()), payload);
            for number in 0..2_000 {
                far.answer(source, &[(number % 251) as u8; 991]);
                settle().await;
                assert_eq!(far.unread(), 0);
            }
            let [("overflow", dropped)] = *ear.drops() else {
                panic!("{:?}", ear.drops());
            };
            // The backlog, what TLS takes ahead, and the pipe.
            let kept = 2_000 - dropped;
            assert!((10..120).contains(&kept), "{kept} of 1,000 octets each");
            for number in 0..kept {
                io.hear(&frame(&[(number % 251) as u8; 991])).await;
            }
            far.answer(source, b"and on");
            io.hear(&frame(b"and on")).await;
        })
        .await;
    }
}
