//! Clients behind a load balancer: each is counted for itself, once its PROXY header is read.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    time::Instant,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    NoAuth,
    layer::{
        auth::Auth,
        handshake::Handshake,
        proxy_protocol::{ProxyProtocol, ProxyProtocolLayer, Untrusted},
    },
    proto::{ProxyHeader, ProxyVersion},
    serve,
    server::{HandshakeLimit, Listener, SessionLimit},
    session::Accepted,
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK, LOCAL, Script, settle, stack,
    targets::{Dialer, targets},
    within,
};

const BALANCER: &str = "10.0.0.1:7000";

/// A port without a socket: connections come from any address.
#[derive(Clone, Debug)]
pub(super) struct Port(mpsc::UnboundedSender<Accepted<DuplexStream>>);

pub(super) struct Arrivals(mpsc::UnboundedReceiver<Accepted<DuplexStream>>);

impl Listener for Arrivals {
    type Io = DuplexStream;

    async fn accept(&mut self, _: SocketAddr) -> io::Result<Accepted<DuplexStream>> {
        match self.0.recv().await {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await,
        }
    }
}

type Stack = ProxyProtocol<Handshake<Auth<NoAuth, Dialer>>>;

/// A layer that trusts 10.0.0.0/8 and serves everybody else as they are.
fn layer() -> ProxyProtocolLayer {
    ProxyProtocolLayer::trusting(["10.0.0.0/8".parse().unwrap()]).untrusted(Untrusted::Plain)
}

fn behind(layer: &ProxyProtocolLayer) -> Stack {
    let (dialer, mut dialled) = targets();
    tokio::spawn(async move {
        while let Some((_, mut target)) = dialled.recv().await {
            tokio::spawn(async move { while let Ok(1..) = target.read(&mut [0; 64]).await {} });
        }
    });
    layer.layer(stack(NoAuth, dialer))
}

pub(super) fn port() -> (Port, Arrivals) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Port(sender), Arrivals(receiver))
}

/// A server with such limits.
fn server(
    layer: &ProxyProtocolLayer,
    handshakes: Option<usize>,
    sessions: Option<&SessionLimit>,
) -> Port {
    let (port, arrivals) = port();
    let mut server = serve(arrivals, behind(layer));
    if let Some(most) = handshakes {
        server = server.handshakes(HandshakeLimit::per_client(most));
    }
    if let Some(limit) = sessions {
        server = server.sessions(limit.clone());
    }
    tokio::spawn(server.into_future());
    port
}

fn header(client: &str) -> Vec<u8> {
    let source = SocketAddr::new(client.parse().unwrap(), 40_000);
    ProxyHeader::new(ProxyVersion::V2, source, LOCAL.parse().unwrap()).encode()
}

impl Port {
    /// A connection from this peer.
    pub(super) fn from(&self, peer: &str) -> DuplexStream {
        let (client, near) = tokio::io::duplex(8192);
        let accepted = Accepted::new(near, peer.parse().unwrap(), LOCAL.parse().unwrap());
        self.0.send(accepted).unwrap();
        client
    }

    /// A client by the balancer, whose header is on its way.
    async fn open(&self, client: &str) -> DuplexStream {
        let mut io = self.from(BALANCER);
        io.say(&header(client)).await;
        io
    }

    /// A client by the balancer in a tunnel.
    async fn connect(&self, client: &str) -> DuplexStream {
        let mut io = self.open(client).await;
        connected(&mut io).await;
        io
    }
}

async fn connected(io: &mut DuplexStream) {
    io.say(&[HELLO, CONNECT].concat()).await;
    io.hear(HELLO_OK).await;
    io.hear(CONNECTED).await;
}

async fn greeted(io: &mut DuplexStream) {
    io.say(HELLO).await;
    io.hear(HELLO_OK).await;
}

/// One that is closed at once, without a word.
pub(super) async fn closed_at_once(mut client: DuplexStream) {
    let started = Instant::now();
    client.hear_end().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

/// A thousand clients at one moment, of whom each may have two connections in the handshake.
#[tokio::test(start_paused = true)]
async fn p6_a_thousand_clients_behind_one_balancer() {
    within(async {
        let port = server(&layer(), Some(2), None);
        let mut held = Vec::new();
        for n in 0..1_000_u32 {
            let client = format!("198.18.{}.{}", n / 250, n % 250 + 1);
            held.push((port.open(&client).await, client));
        }
        for (io, _) in &mut held {
            greeted(io).await;
        }
        // Each has a second one, and no third.
        for n in [0, 499, 999] {
            let client = held[n].1.clone();
            let mut second = port.open(&client).await;
            greeted(&mut second).await;
            closed_at_once(port.open(&client).await).await;
            // With the request it is in the handshake no longer.
            second.say(CONNECT).await;
            second.hear(CONNECTED).await;
            let mut third = port.open(&client).await;
            greeted(&mut third).await;
        }
    })
    .await;
}

/// One client floods: it has its share of everything, and another one by the same balancer does not notice.
#[tokio::test(start_paused = true)]
async fn p6_a_flood_of_one_client() {
    within(async {
        let sessions = SessionLimit::new(40).per_client(10);
        let port = server(&layer(), Some(4), Some(&sessions));
        let mut flood = Vec::new();
        for _ in 0..10 {
            flood.push(port.connect("192.0.2.1").await);
        }
        for _ in 0..500 {
            flood.push(port.open("192.0.2.1").await);
        }
        settle().await;
        assert_eq!(sessions.live(), 10);
        assert_eq!(sessions.waiting(), 0);
        let started = Instant::now();
        let other = port.connect("192.0.2.2").await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(sessions.live(), 11);
        // One who comes directly is counted as ever, and with those who come by the balancer.
        let mut direct = Vec::new();
        for _ in 0..4 {
            let mut io = port.from("192.0.2.3:1");
            greeted(&mut io).await;
            direct.push(io);
        }
        closed_at_once(port.from("192.0.2.3:2")).await;
        closed_at_once(port.open("192.0.2.3").await).await;
        drop((flood, other, direct));
        settle().await;
        assert_eq!(sessions.live(), 0);
    })
    .await;
}

/// Health checks and connections without a header have nobody's share.
#[tokio::test(start_paused = true)]
async fn p2_health_checks_count_for_nobody() {
    within(async {
        let sessions = SessionLimit::new(8).per_client(1);
        let port = server(&layer(), Some(1), Some(&sessions));
        let mut checks = Vec::new();
        for _ in 0..4 {
            let mut check = port.from(BALANCER);
            check.say(&ProxyHeader::local().encode()).await;
            greeted(&mut check).await;
            checks.push(check);
            checks.push(port.from(BALANCER)); // says nothing
        }
        assert_eq!(sessions.live(), 4); // in the whole
        // One without an address is the balancer's.
        let mut unknown = port.from(BALANCER);
        unknown.say(b"PROXY UNKNOWN\r\n").await;
        greeted(&mut unknown).await;
        let mut second = port.from(BALANCER);
        second.say(b"PROXY UNKNOWN\r\n").await;
        closed_at_once(second).await;
        let _client = port.connect("192.0.2.1").await;
        assert_eq!(sessions.live(), 6);
        drop((checks, unknown));
        settle().await;
        assert_eq!(sessions.live(), 1);
    })
    .await;
}

/// Where all places are taken, a client waits for one once it is known, and what it waits is not taken from its time.
#[tokio::test(start_paused = true)]
async fn a_client_waits_for_a_place_behind_its_header() {
    within(async {
        let sessions = SessionLimit::new(2)
            .per_client(2)
            .queue(1, Duration::from_secs(8));
        let port = server(&layer(), None, Some(&sessions));
        let mut held = vec![
            port.connect("192.0.2.1").await,
            port.connect("192.0.2.1").await,
        ];
        // Its share, before the queue.
        closed_at_once(port.open("192.0.2.1").await).await;
        let mut waits = port.open("192.0.2.2").await;
        settle().await;
        assert_eq!((sessions.live(), sessions.waiting()), (2, 1));
        closed_at_once(port.open("192.0.2.3").await).await; // the queue is full
        tokio::time::sleep(Duration::from_secs(7)).await;
        held.pop();
        settle().await;
        assert_eq!((sessions.live(), sessions.waiting()), (2, 0));
        // Of ten seconds it has nine still.
        tokio::time::sleep(Duration::from_secs(9)).await;
        connected(&mut waits).await;

        // One that waits in vain is closed.
        let started = Instant::now();
        let mut waits = port.open("192.0.2.2").await;
        waits.hear_end().await;
        assert_eq!(started.elapsed(), Duration::from_secs(8));
        assert_eq!((sessions.live(), sessions.waiting()), (2, 0));
    })
    .await;
}

/// So many wait for their header; of two networks none takes all.
#[tokio::test(start_paused = true)]
async fn p7_waiting_for_headers_is_bounded() {
    within(async {
        let networks = ["10.0.0.0/8", "172.16.0.0/12"].map(|text| text.parse().unwrap());
        let layer = ProxyProtocolLayer::trusting(networks).waiting(8);
        let port = server(&layer, None, None);
        let mut silent: Vec<_> = (0..6).map(|_| port.from(BALANCER)).collect();
        settle().await;
        closed_at_once(port.from(BALANCER)).await;
        // The other network has room.
        let mut other = port.from("172.16.0.1:1");
        other.say(&header("192.0.2.1")).await;
        connected(&mut other).await;
        // With the header a place is free again, and with the end of a connection.
        silent[0].say(&header("192.0.2.1")).await;
        settle().await;
        silent.push(port.from(BALANCER));
        settle().await;
        closed_at_once(port.from(BALANCER)).await;
        silent.remove(1);
        settle().await;
        let mut next = port.open("192.0.2.1").await;
        connected(&mut next).await;
        // All of them at the deadline.
        tokio::time::sleep(Duration::from_secs(10)).await;
        for mut io in silent.drain(1..) {
            io.hear_end().await;
        }
        let _held: Vec<_> = (0..6).map(|_| port.from(BALANCER)).collect();
        settle().await;
        closed_at_once(port.from(BALANCER)).await;
    })
    .await;
}

/// Whenever a connection goes, what it counted for comes back.
#[tokio::test(start_paused = true)]
async fn counts_come_back_wherever_a_connection_ends() {
    within(async {
        let sessions = SessionLimit::new(1)
            .per_client(1)
            .queue(4, Duration::from_secs(60));
        let port = server(&layer().waiting(1), Some(1), Some(&sessions));
        let frame = [header("192.0.2.1").as_slice(), HELLO, CONNECT].concat();
        for at in 0..=frame.len() {
            let mut client = port.from(BALANCER);
            client.say(&frame[..at]).await;
            settle().await;
            drop(client);
            settle().await;
            assert_eq!((sessions.live(), sessions.waiting()), (0, 0), "{at}");
        }
        // While it waits for a place: dropped with its server.
        let held = port.connect("192.0.2.9").await;
        let (other, arrivals) = self::port();
        let server = serve(arrivals, behind(&layer()))
            .sessions(sessions.clone())
            .into_future();
        let server = tokio::spawn(server);
        let waits = other.open("192.0.2.1").await;
        settle().await;
        assert_eq!(sessions.waiting(), 1);
        server.abort();
        settle().await;
        assert_eq!((sessions.live(), sessions.waiting()), (1, 0));
        drop((held, waits));
        settle().await;
        let _client = port.connect("192.0.2.1").await;
    })
    .await;
}

/// Below a service that hides it, the server counts the balancer first, and the client once it is known.
#[tokio::test(start_paused = true)]
async fn a_hidden_layer_counts_anew() {
    within(async {
        let sessions = SessionLimit::new(40).per_client(2);
        let stack = behind(&layer());
        let hidden =
            service_fn(move |accepted: Accepted<DuplexStream>| stack.clone().oneshot(accepted));
        let (port, arrivals) = port();
        let server = serve(arrivals, hidden)
            .sessions(sessions.clone())
            .unauthenticated_per_client(2);
        tokio::spawn(server.into_future());
        let mut held = Vec::new();
        for n in 1..20 {
            for _ in 0..2 {
                let mut io = port.open(&format!("192.0.2.{n}")).await;
                greeted(&mut io).await;
                held.push(io);
            }
        }
        assert_eq!(sessions.live(), 38);
        closed_at_once(port.open("192.0.2.1").await).await;
        let mut check = port.from(BALANCER);
        check.say(&ProxyHeader::local().encode()).await;
        greeted(&mut check).await;
        held.push(check);
        drop(held);
        settle().await;
        assert_eq!(sessions.live(), 0);
        let _client = port.connect("192.0.2.1").await;
        let _client = port.connect("192.0.2.1").await;
        closed_at_once(port.open("192.0.2.1").await).await;
    })
    .await;
}

/// A balancer behind a balancer: the inner header counts, by its own networks.
#[tokio::test(start_paused = true)]
async fn two_headers() {
    within(async {
        let outer = ProxyProtocolLayer::trusting(["10.0.0.0/8".parse().unwrap()]);
        let inner = ProxyProtocolLayer::trusting(["172.16.0.0/12".parse().unwrap()]);
        let (dialer, mut dialled) = targets();
        let (port, arrivals) = port();
        let stack = outer.layer(inner.layer(stack(NoAuth, dialer)));
        let server = serve(arrivals, stack).unauthenticated_per_client(1);
        tokio::spawn(server.into_future());
        let mut held = Vec::new();
        for n in 1..4 {
            let mut io = port.from(BALANCER);
            io.write_all(&header("172.16.0.1")).await.unwrap();
            io.say(&header(&format!("192.0.2.{n}"))).await;
            greeted(&mut io).await;
            held.push(io);
        }
        held[0].say(CONNECT).await;
        held[0].hear(CONNECTED).await;
        assert_eq!(
            dialled.recv().await.unwrap().0.peer,
            "192.0.2.1:40000".parse().unwrap()
        );
    })
    .await;
}
