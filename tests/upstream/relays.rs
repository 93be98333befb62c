//! Where our datagrams go, by what another proxy replies to UDP ASSOCIATE.

use std::net::SocketAddr;

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, Client, Connector, NoAuth,
    client::ProxySocket,
    connector::{
        associate::Associate,
        direct::Direct,
        upstream::{Socks5Upstream, Transport},
    },
    error::reply_code,
    io::BoxStream,
    proto::{Address, Command, ReplyCode},
    session::Connected,
};

use crate::support::{HELLO, HELLO_OK, Script, proxy, stack, success, upstream::asks, within};

/// A proxy that is not where the services of this machine are, and does what it is told to.
async fn upstream_proxy() -> TcpListener {
    TcpListener::bind("127.0.0.2:0").await.unwrap()
}

/// A service that takes datagrams, and trusts this machine.
async fn service() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// A client's association through our server, whose upstream replies with this BND, and the upstream's
/// end of the control connection.
async fn associated<C: Transport + Sync>(
    upstream: Socks5Upstream<C>,
    listener: &TcpListener,
    bound: SocketAddr,
) -> (Result<ProxySocket<TcpStream>, ReplyCode>, TcpStream) {
    let associate = Associate::with_transports(upstream.into_transports());
    let connector = Connector::direct().with_associate(associate);
    let server = proxy(stack(NoAuth, connector)).await;
    let stream = TcpStream::connect(server).await.unwrap();
    let client = Client::new();
    let (socket, control) = tokio::join!(client.associate(stream), async {
        let (mut control, _) = listener.accept().await.unwrap();
        control.hear(HELLO).await;
        control.say(HELLO_OK).await;
        let asked = asks(Command::UDP_ASSOCIATE, "0.0.0.0:0");
        control.hear(&asked).await;
        control.say(&success(bound)).await;
        control
    });
    (socket.map_err(|error| reply_code(&error)), control)
}

/// The same as seen by a client: the association fails, and nothing is left of it at the upstream.
async fn refuses<C: Transport + Sync>(
    upstream: impl Fn(SocketAddr) -> Socks5Upstream<C>,
    bound: &str,
) {
    let service = service().await;
    let listener = upstream_proxy().await;
    let mut bound: SocketAddr = bound.parse().unwrap();
    bound.set_port(service.local_addr().unwrap().port());
    let upstream = upstream(listener.local_addr().unwrap());
    let (socket, mut control) = associated(upstream, &listener, bound).await;
    assert_eq!(
        socket.map(|socket| socket.relay_addr()).unwrap_err(),
        ReplyCode::GENERAL_FAILURE,
        "{bound}"
    );
    control.hear_end().await;
    assert!(service.try_recv(&mut [0; 64]).is_err());
}

/// A stream whose type hides what it is, and so the proxy's address.
fn hidden() -> impl Transport<Io = BoxStream> + Sync {
    service_fn(async |proxy: Address| {
        let stream = Direct::new().oneshot(proxy).await?;
        let bound = stream.bound().clone();
        Ok::<_, BoxError>(Connected::new(BoxStream::new(stream), bound))
    })
}

#[tokio::test]
async fn a_proxy_does_not_lead_us_to_a_service_of_our_machine() {
    within(async {
        for bound in [
            "127.0.0.1:0",
            "[::ffff:127.0.0.1]:0",
            "[::1]:0",
            "10.0.0.1:0",
        ] {
            refuses(Socks5Upstream::new, bound).await;
            refuses(|proxy| Socks5Upstream::new(proxy).via(hidden()), bound).await;
        }
    })
    .await;
}

/// The other end of the stream is the first proxy, which may be anywhere.
#[tokio::test]
async fn the_second_proxy_of_a_chain_does_not_lead_us_to_the_first() {
    within(async {
        // Itself at 127.0.0.1, where the service is.
        let first = proxy(stack(NoAuth, Connector::direct())).await;
        let chain = |proxy| Socks5Upstream::new(proxy).via(Socks5Upstream::new(first));
        refuses(chain, "127.0.0.1:0").await;
    })
    .await;
}

/// A datagram of the client's comes to this relay.
async fn reaches(socket: &mut ProxySocket<TcpStream>, relay: &UdpSocket) {
    let target: Address = "192.0.2.1:53".parse().unwrap();
    socket.send_to(b"one", target).await.unwrap();
    let mut room = [0; 64];
    let (len, _) = relay.recv_from(&mut room).await.unwrap();
    assert_eq!(&room[..len], b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35one");
}

#[tokio::test]
async fn a_relay_at_the_proxys_own_address_is_taken_however_it_is_written() {
    within(async {
        for bound in ["127.0.0.2:0", "[::ffff:127.0.0.2]:0", "0.0.0.0:0", "[::]:0"] {
            let first = proxy(stack(NoAuth, Connector::direct())).await;
            let relay = UdpSocket::bind("127.0.0.2:0").await.unwrap();
            let mut bound: SocketAddr = bound.parse().unwrap();
            bound.set_port(relay.local_addr().unwrap().port());

            let listener = upstream_proxy().await;
            let upstream = Socks5Upstream::new(listener.local_addr().unwrap());
            let plain = associated(upstream.clone(), &listener, bound).await;
            let boxed = associated(upstream.clone().via(hidden()), &listener, bound).await;
            let chain = upstream.via(Socks5Upstream::new(first));
            let chained = associated(chain, &listener, bound).await;
            for (socket, mut control) in [plain, boxed, chained] {
                reaches(&mut socket.unwrap(), &relay).await;
                control.shutdown().await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_relay_elsewhere_is_taken_where_that_is_allowed() {
    within(async {
        let listener = upstream_proxy().await;
        let relay = service().await;
        let upstream = Socks5Upstream::new(listener.local_addr().unwrap());
        let upstream = upstream.client(Client::new().any_relay());
        let bound = relay.local_addr().unwrap();
        let (socket, _control) = associated(upstream, &listener, bound).await;
        reaches(&mut socket.unwrap(), &relay).await;
    })
    .await;
}
