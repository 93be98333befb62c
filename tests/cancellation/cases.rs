//! The futures.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, copy, split},
    net::{TcpListener, TcpSocket, UdpSocket},
    sync::Semaphore,
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer, service_fn,
};
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Request, Tunnel, UserPass, Users,
    connector::{Family, Outgoing, associate::Associate, direct::Direct, resolve::Lookup},
    io::PrefixedStream,
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer},
        track::OpenTunnels,
    },
    proto::{Address, Command, Method, MethodSet, UdpOverTcp},
    relay::Relay,
    session::{Accepted, Connected, Negotiation},
};

use super::drops::{Case, at_every_poll, held};

pub const LOGIN: &[u8] = b"\x05\x02\x00\x02\x01\x03joe\x06secret";
pub const ANONYMOUS: &[u8] = b"\x05\x01\x00";
pub const CONNECT: &[u8] = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";

pub const fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub fn target() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

pub fn joe() -> UserPass<Users> {
    UserPass::new([("joe", "secret")].into_iter().collect())
}

/// Says something, half-closes, and hears everything there is.
pub async fn says(io: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> usize {
    let (mut read, mut write) = split(io);
    let mut heard = Vec::new();
    let speak = async {
        let _ = write.write_all(bytes).await;
        let _ = write.shutdown().await;
    };
    let (_, _) = tokio::join!(speak, read.read_to_end(&mut heard));
    heard.len()
}

/// Says back what it hears.
async fn echoes(io: impl AsyncRead + AsyncWrite) {
    let (mut read, mut write) = split(io);
    let _ = copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

/// A connector whose targets are in memory and echo.
pub fn in_memory()
-> impl Service<Request, Response = Connected<DuplexStream>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(|_: Request| async {
        let (near, far) = tokio::io::duplex(5);
        tokio::spawn(echoes(far));
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(Connected::new(near, "198.51.100.7:4321".parse()?))
    })
}

/// A request that a client at this machine makes.
fn request(command: Command, target: impl Into<Address>) -> Request {
    let mut request = Request::new(command, target.into());
    request.peer = here(50_000);
    request.local = here(1080);
    request
}

/// A resolver for which every name is at an address that refuses, and at this machine.
fn direct() -> Direct<impl tower_socks::connector::resolve::Resolve + Sync + use<>> {
    Direct::new().resolver(service_fn(|_: Lookup| async {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>([[127, 0, 0, 2], [127, 0, 0, 1]].map(IpAddr::from))
    }))
}

/// A listener that is there for as long as the case is, and what leads to it.
pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(here(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn sessions() {
    at_every_poll("a session", 12, async || {
        let permits = Arc::new(Semaphore::new(3));
        let open = OpenTunnels::new();
        let tunnels = ConcurrentTunnels::new(2, key::global);
        let stack = ServiceBuilder::new()
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(
                &permits,
            )))
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new((joe(), NoAuth)))
            .layer(open.layer())
            .layer(LimitLayer::new(tunnels.clone()))
            .service(in_memory());
        let (near, far, alive) = held();
        let session = stack.oneshot(Accepted::new(near, here(50_000), here(1080)));
        let said = [LOGIN, CONNECT, b"to and fro"].concat();
        Case::new(session)
            .far(async move { says(far, &said).await })
            .releases(move || {
                alive.assert_dropped();
                assert_eq!(permits.available_permits(), 3);
                assert_eq!(open.totals().open, 0);
                assert_eq!((tunnels.live(&key::Global), tunnels.keys()), (0, 0));
            })
    });
}

#[test]
fn negotiations() {
    at_every_poll("a negotiation", 4, async || {
        let (near, far, alive) = held();
        let methods = MethodSet::from(Method::USERNAME_PASSWORD);
        let negotiation =
            Negotiation::new(PrefixedStream::new(near), methods, here(50_000), here(1080));
        let auth = AuthLayer::new(joe()).layer(());
        Case::new(auth.oneshot(negotiation))
            .far(async move { says(far, &LOGIN[4..]).await })
            .releases(move || alive.assert_dropped())
    });
}

#[test]
fn dials() {
    at_every_poll("a dial", 2, async || {
        let (listener, address) = listener().await;
        let target = Address::new("two.example", address.port()).unwrap();
        Case::new(direct().oneshot(target)).releases(move || drop(listener))
    });
    at_every_poll("a dial from an address", 2, async || {
        let (listener, address) = listener().await;
        let target = Address::new("two.example", address.port()).unwrap();
        let outgoing = Outgoing::new()
            .as_reached()
            .address([127, 0, 0, 9].into())
            .family(Family::Ipv4);
        let dial = direct().outgoing(outgoing);
        Case::new(dial.oneshot(request(Command::CONNECT, target))).releases(move || drop(listener))
    });
    #[cfg(feature = "http")]
    at_every_poll("a dial for hyper", 2, async || {
        let (listener, address) = listener().await;
        let uri = format!("http://two.example:{}/", address.port());
        let uri: http::Uri = uri.parse().unwrap();
        Case::new(direct().oneshot(uri)).releases(move || drop(listener))
    });
}

#[test]
fn tunnels() {
    at_every_poll("Relay::run", 7, async || {
        let (near, client, one) = held();
        let (out, target, other) = held();
        Case::new(Relay::new().run(near, out))
            .far(async { says(client, b"to and fro, and to and fro").await })
            .far(echoes(target))
            .releases(move || {
                one.assert_dropped();
                other.assert_dropped();
            })
    });
    at_every_poll("the tunnel of CONNECT", 7, async || {
        let (near, client, one) = held();
        let (out, target, other) = held();
        let tunnel = Connected::new(out, Address::UNSPECIFIED);
        Case::new(tunnel.run(near))
            .far(async { says(client, b"to and fro, and to and fro").await })
            .far(echoes(target))
            .releases(move || {
                one.assert_dropped();
                other.assert_dropped();
            })
    });
    at_every_poll("the tunnel of BIND", 5, async || {
        // Elsewhere than the listener: a peer that comes too late could meet itself.
        let elsewhere = SocketAddr::from(([127, 0, 0, 3], 0));
        let peer = request(Command::BIND, elsewhere);
        let binding = Connector::direct().oneshot(peer).await.unwrap();
        let at = binding.bound().ip().unwrap();
        let (near, client, alive) = held();
        Case::new(binding.run(PrefixedStream::new(near)))
            .far(async { says(client, b"from the client").await })
            .far(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(elsewhere).unwrap();
                if let Ok(peer) = socket.connect(at).await {
                    echoes(peer).await;
                }
            })
            .releases(move || alive.assert_dropped())
    });
}

#[test]
fn associations() {
    at_every_poll("the tunnel of UDP ASSOCIATE", 2, async || {
        let any = request(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
        let association = Connector::direct().oneshot(any).await.unwrap();
        let relay = association.bound().ip().unwrap();
        let (near, client, alive) = held();
        Case::new(association.run(PrefixedStream::new(near)))
            .far(async move {
                let udp = UdpSocket::bind(here(0)).await.unwrap();
                let to = udp.local_addr().unwrap().port().to_be_bytes();
                let datagram = [b"\0\0\0\x01\x7f\0\0\x01", &to[..], b"ping"].concat();
                udp.send_to(&datagram, relay).await.unwrap();
                tokio::task::yield_now().await;
                // The control connection ends, and with it the association.
                says(client, b"").await
            })
            .releases(move || alive.assert_dropped())
    });
}

#[test]
fn associations_in_the_stream() {
    at_every_poll("the tunnel of UDP over TCP", 4, async || {
        let mut asked = request(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
        asked.extensions.insert(UdpOverTcp::V2);
        let mut service = Associate::new().per_client(1);
        let association = service.call(asked.clone()).await.unwrap();
        let (near, client, alive) = held();
        Case::new(association.run(PrefixedStream::new(near)))
            .far(async move {
                let udp = UdpSocket::bind(here(0)).await.unwrap();
                let to = udp.local_addr().unwrap().port().to_be_bytes();
                let destination = [b"\x01\x7f\0\0\x01", &to[..]].concat();
                let frame = [b"\0\x7f\0\0\x01", &to[..], b"\0\x04ping"].concat();
                says(client, &[b"\0", &destination[..], &frame].concat()).await
            })
            .releases(move || {
                alive.assert_dropped();
                // The place of the client's only one is free.
                let again = service.call(asked).now_or_never();
                again.expect("no wait").expect("no other association");
            })
    });
}
