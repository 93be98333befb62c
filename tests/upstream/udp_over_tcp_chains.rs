//! Datagrams through chains of servers of ours, over real sockets.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, UdpSocket};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth, Request,
    client::{ProxySocket, Socks4Client},
    connector::{
        BoxConnector,
        associate::{Associate, MakeDirect},
        direct::Direct,
        failover::Failover,
        proxy_url::ProxyUrl,
        resolve::Lookup,
        tls::TlsConnector,
        upstream::{HttpUpstream, Socks4Upstream, Socks5Upstream},
    },
    datagram::DatagramTransport,
    layer::{
        http::HttpLayer, mixed::MixedLayer, socks4::Socks4Layer, udp_over_tcp::UdpOverTcpLayer,
    },
    proto::{Address, UdpOverTcp},
};

use tracing::Level;

use crate::support::{
    log::Log,
    proxy,
    sockets::closed_port,
    stack,
    tls::World,
    upstream::{Asked, Diary},
    within,
};

/// Executes everything from here. Names are 127.0.0.1, and only it knows that.
fn at_the_end()
-> impl Service<Request, Response: tower_socks::Tunnel, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let resolver = service_fn(async |_: Lookup| Ok::<_, BoxError>([IpAddr::from([127, 0, 0, 1])]));
    let made = MakeDirect::new().resolver(resolver);
    let connector = Connector::direct().with_associate(Associate::with_transports(made));
    UdpOverTcpLayer::new().layer(connector)
}

/// A server of all protocols for UDP over TCP, inside TLS or not.
async fn last(tls: Option<&World>) -> SocketAddr {
    let stack = MixedLayer::new()
        .socks5(HandshakeLayer::new())
        .socks4(Socks4Layer::new())
        .http(HttpLayer::new())
        .layer(AuthLayer::new(NoAuth).layer(at_the_end()));
    match tls {
        Some(world) => proxy(world.layer().layer(stack)).await,
        None => proxy(stack).await,
    }
}

/// Sends back what it gets.
async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut room = vec![0; 65_507];
        while let Ok((len, source)) = socket.recv_from(&mut room).await {
            let _ = socket.send_to(&room[..len], source).await;
        }
    });
    address
}

async fn echoes<Io>(socket: &mut ProxySocket<Io>, echo: SocketAddr)
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut room = vec![0; 65_507];
    for payload in [&b"ping"[..], b"", &[7; 20_000]] {
        socket.send_to(payload, echo).await.unwrap();
        let (len, source) = socket.recv_from(&mut room).await.unwrap();
        assert!(room[..len] == *payload, "{len} octets");
        assert_eq!(source, Address::Ip(echo));
    }
}

/// A server whose associations go by these transports, and datagrams of clients of it, by UDP and by UDP over TCP.
async fn echoes_through<M>(make_transport: M)
where
    M: Service<Request, Response: DatagramTransport, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let associate = Associate::with_transports(make_transport);
    let connector = Connector::direct().with_associate(associate);
    let server = proxy(stack(NoAuth, UdpOverTcpLayer::new().layer(connector))).await;
    let echo = echo().await;
    let stream = TcpStream::connect(server).await.unwrap();
    echoes(&mut Client::new().associate(stream).await.unwrap(), echo).await;
    for protocol in [UdpOverTcp::V1, UdpOverTcp::V2] {
        let stream = TcpStream::connect(server).await.unwrap();
        let socket = Client::new().udp_over_tcp_by(stream, protocol).await;
        echoes(&mut socket.unwrap(), echo).await;
    }
    let stream = TcpStream::connect(server).await.unwrap();
    let socket = Client::new().udp_over_tcp_to(stream, echo).await;
    echoes(&mut socket.unwrap(), echo).await;
}

#[tokio::test]
async fn clients_of_every_protocol_reach_the_server() {
    within(async {
        let (server, echo) = (last(None).await, echo().await);
        for protocol in [UdpOverTcp::V1, UdpOverTcp::V2, UdpOverTcp::ForwardUdp] {
            let stream = TcpStream::connect(server).await.unwrap();
            let socket = Client::new().udp_over_tcp_by(stream, protocol).await;
            let mut socket = socket.unwrap();
            if protocol == UdpOverTcp::ForwardUdp {
                // Its frames are not that large.
                socket.send_to(b"ping", echo).await.unwrap();
                assert_eq!(socket.recv_from(&mut [0; 9]).await.unwrap().0, 4);
            } else {
                echoes(&mut socket, echo).await;
            }
        }
        for protocol in [UdpOverTcp::V1, UdpOverTcp::V2] {
            let target = protocol.target();
            let stream = TcpStream::connect(server).await.unwrap();
            let stream = Socks4Client::new().connect(stream, &target).await.unwrap();
            echoes(&mut ProxySocket::over_stream(stream, protocol), echo).await;
            let stream = HttpUpstream::new(server).oneshot(target).await.unwrap();
            echoes(&mut ProxySocket::over_stream(stream, protocol), echo).await;
        }
        let stream = HttpUpstream::new(server).oneshot(UdpOverTcp::V2.target());
        let mut socket = ProxySocket::over_stream_to(stream.await.unwrap(), echo.into());
        echoes(&mut socket, echo).await;
    })
    .await;
}

#[tokio::test]
async fn names_are_for_the_last_proxy_to_resolve() {
    within(async {
        let (server, echo) = (last(None).await, echo().await);
        let diary = Diary::default();
        let made = HttpUpstream::new(server).into_transports();
        let connector = Connector::direct().with_associate(Associate::with_transports(made));
        let connector = AclLayer::new(diary.clone()).layer(connector);
        let first = proxy(stack(NoAuth, connector)).await;
        let stream = TcpStream::connect(first).await.unwrap();
        let mut socket = Client::new().associate(stream).await.unwrap();
        let name = Address::new("only.the.last.example", echo.port()).unwrap();
        socket.send_to(b"ping", &name).await.unwrap();
        let mut room = [0; 9];
        let (len, _) = socket.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..len], b"ping");
        assert!(diary.asked().contains(&Asked::Name(name.to_string())));
    })
    .await;
}

#[tokio::test]
async fn every_upstream_carries_datagrams_of_every_client() {
    within(async {
        let server = last(None).await;
        for protocol in [UdpOverTcp::V1, UdpOverTcp::V2] {
            let socks5 = Socks5Upstream::new(server).udp_over_tcp(protocol);
            echoes_through(socks5.into_transports()).await;
            let socks4 = Socks4Upstream::new(server).udp_over_tcp(protocol);
            echoes_through(socks4.into_transports()).await;
            let http = HttpUpstream::new(server).udp_over_tcp(protocol);
            echoes_through(http.into_transports()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn chains_of_any_mixture_carry_datagrams() {
    within(async {
        let world = World::new();
        let server = last(Some(&world)).await;
        // Two proxies that know nothing of UDP.
        let plain = proxy(stack(NoAuth, Connector::direct())).await;
        let http = proxy(HttpLayer::new().layer(AuthLayer::new(NoAuth).layer(Direct::new()))).await;
        let to_plain = Socks5Upstream::new(plain);
        let to_http = HttpUpstream::new(http).via(to_plain.clone());
        let in_tls = || TlsConnector::new(world.client()).via(to_http.clone());

        // SOCKS5, HTTP, TLS, and then each protocol to the last one.
        let last = HttpUpstream::new(server).via(in_tls());
        echoes_through(last.into_transports()).await;
        let last = Socks4Upstream::new(server).via(in_tls());
        echoes_through(last.into_transports()).await;
        let last = Socks5Upstream::new(server)
            .via(in_tls())
            .udp_over_tcp(UdpOverTcp::V2);
        echoes_through(last.into_transports()).await;

        // A chain that is chosen at run time.
        let mut chain: BoxConnector<Address> = BoxConnector::new(Direct::new());
        for _ in 0..3 {
            chain = BoxConnector::new(Socks5Upstream::new(plain).via(chain));
        }
        let chain = TlsConnector::new(world.client()).via(chain);
        let last = HttpUpstream::new(server).via(chain);
        echoes_through(last.into_transports()).await;
    })
    .await;
}

/// Of several protocols, where the first is down.
#[tokio::test]
async fn failover_takes_datagrams_to_the_next_upstream() {
    type Boxed = Box<dyn DatagramTransport>;

    fn boxed(transport: impl DatagramTransport) -> Boxed {
        Box::new(transport)
    }

    within(async {
        let (server, (port, _reserved)) = (last(None).await, closed_port());
        let down = Socks5Upstream::new(("127.0.0.1", port)).udp_over_tcp(UdpOverTcp::V2);
        let down = down.into_transports().map_response(boxed);
        let up = HttpUpstream::new(server)
            .into_transports()
            .map_response(boxed);
        let made = Failover::new([
            (
                "socks5",
                BoxCloneSyncService::<_, Boxed, BoxError>::new(down),
            ),
            ("http", BoxCloneSyncService::new(up)),
        ]);
        echoes_through(made).await;
    })
    .await;
}

#[tokio::test]
async fn connector_upstream_sends_all_commands_the_same_road() {
    within(async {
        let server = last(None).await;
        let upstream = Socks5Upstream::new(server).udp_over_tcp(UdpOverTcp::V2);
        let first = proxy(stack(NoAuth, Connector::upstream(upstream))).await;
        let echo = echo().await;
        let stream = TcpStream::connect(first).await.unwrap();
        echoes(&mut Client::new().associate(stream).await.unwrap(), echo).await;
        // The server is a target of TCP, too.
        let stream = TcpStream::connect(first).await.unwrap();
        let stream = Client::new().connect(stream, server).await.unwrap();
        let socket = Client::new().udp_over_tcp(stream).await;
        echoes(&mut socket.unwrap(), echo).await;
    })
    .await;
}

#[tokio::test]
async fn urls_of_all_schemes_carry_datagrams() {
    within(async {
        let world = World::new();
        let (plain, tls) = (last(None).await, last(Some(&world)).await);
        for (scheme, server) in [
            ("socks5", plain),
            ("socks5h", plain),
            ("socks4a", plain),
            ("socks4", plain),
            ("http", plain),
            ("https", tls),
        ] {
            let url: ProxyUrl = format!("{scheme}://{server}").parse().unwrap();
            let connector = url.with_tls(world.client()).connector();
            echoes_through(connector.into_transports()).await;
        }
        // By UDP ASSOCIATE the datagrams would have to go past TLS.
        let url: ProxyUrl = format!("socks5s://{tls}").parse().unwrap();
        let connector = url.with_tls(world.client()).connector();
        let connector = connector.udp_over_tcp(UdpOverTcp::V1);
        echoes_through(connector.into_transports()).await;
    })
    .await;
}

#[tokio::test]
async fn halves_work_on_two_tasks_inside_tls() {
    within(async {
        let world = World::new();
        let (server, echo) = (last(Some(&world)).await, echo().await);
        let connector = TlsConnector::new(world.client());
        let stream = connector.oneshot(Address::from(server)).await.unwrap();
        let socket = Client::new().udp_over_tcp(stream).await.unwrap();
        let (mut sender, mut receiver) = socket.into_split();
        let receiving = tokio::spawn(async move {
            let mut room = [0; 1500];
            loop {
                let (len, _) = receiver.recv_from(&mut room).await.unwrap();
                if room[..len] == *b"last" {
                    break;
                }
                assert_eq!(len, 1000);
            }
        });
        // Some may be lost: as many at once as a socket's buffer takes for certain.
        for _ in 0..500 {
            sender.send_to(&[7; 1000], echo).await.unwrap();
        }
        let ended = tokio::spawn(async move {
            loop {
                sender.send_to(b"last", echo).await?;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            #[expect(unreachable_code, reason = "the type of the error")]
            Ok::<(), std::io::Error>(())
        });
        receiving.await.unwrap();
        // With the half that receives the association is over.
        assert!(ended.await.unwrap().is_err());
    })
    .await;
}

/// Inside TLS an end that nobody has announced may be an attacker's cut.
#[tokio::test]
async fn dropping_the_socket_says_goodbye_inside_tls() {
    within(async {
        let (log, _guard) = Log::start(Level::INFO);
        let world = World::new();
        let (server, echo) = (last(Some(&world)).await, echo().await);
        let connector = TlsConnector::new(world.client());
        let stream = connector.oneshot(Address::from(server)).await.unwrap();
        let mut socket = Client::new().udp_over_tcp(stream).await.unwrap();
        echoes(&mut socket, echo).await;
        drop(socket);
        while !log.text().contains("outcome=") {
            tokio::task::yield_now().await;
        }
        assert!(log.text().contains("outcome=done"), "{}", log.text());
    })
    .await;
}

#[tokio::test]
async fn a_stack_with_the_layer_needs_no_other_port() {
    within(async {
        let stack = ServiceBuilder::new()
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .service(at_the_end());
        let server = proxy(stack).await;
        let stream = TcpStream::connect(server).await.unwrap();
        let mut socket = Client::new().udp_over_tcp(stream).await.unwrap();
        echoes(&mut socket, echo().await).await;
        assert_eq!(socket.relay_addr(), None);
    })
    .await;
}
