//! One stack with everything in it, behind one port in memory.

use std::{io, net::SocketAddr, num::NonZeroU32, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, split},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tower::{ServiceBuilder, service_fn};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, Identity, NoAuth, Request, Rules,
    UserPass, Users,
    connector::associate::Associate,
    io::PrefixedStream,
    layer::{
        acl::{SwapPolicy, recheck::RecheckLayer},
        auth::AcceptUserId,
        http::HttpLayer,
        key::{self, User},
        limit::{ConcurrentTunnels, FailedLoginsLayer, LimitLayer, RequestRate},
        meter::{Bandwidth, ByteQuota, MeterLayer},
        metrics::{RequestMetricsLayer, SessionMetricsLayer},
        mixed::MixedLayer,
        socks4::Socks4Layer,
        trace::TraceLayer,
        track::OpenTunnels,
        udp_over_tcp::UdpOverTcpLayer,
    },
    serve,
    server::{Listener, SessionLimit},
    session::{Accepted, Connected},
};

use crate::{
    datagrams::Echo,
    door::{Answer, Door},
    support::Script,
};

/// Where the clients arrive, and where most of them come from.
pub const LISTENER: (&str, u16) = ("9.9.9.1", 1080);
pub const HOME: &str = "8.8.8.8";
/// A target that echoes.
pub const TARGET: (&str, u16) = ("example.com", 443);
pub const JOE: Option<(&str, &str)> = Some(("joe", "secret"));

/// How the bounds are set.
pub struct Knobs {
    pub rules: &'static str,
    pub tunnels: usize,
    pub requests_per_minute: u32,
    pub quota: u64,
    pub down: u64,
    pub sessions: SessionLimit,
    pub handshakes: usize,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            rules: "default = 'allow'",
            tunnels: 1000,
            requests_per_minute: 1000,
            quota: 1 << 40,
            down: 1 << 30,
            sessions: SessionLimit::new(1000).per_client(1000).per_user(1000),
            handshakes: 1000,
        }
    }
}

pub struct Stage {
    arrivals: mpsc::UnboundedSender<Accepted<DuplexStream>>,
    pub policy: SwapPolicy<Rules>,
    pub open: OpenTunnels,
    pub tunnels: ConcurrentTunnels<fn(&Request) -> Option<User>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

struct Arrivals(mpsc::UnboundedReceiver<Accepted<DuplexStream>>);

impl Listener for Arrivals {
    type Io = DuplexStream;

    async fn accept(&mut self, _: SocketAddr) -> io::Result<Accepted<DuplexStream>> {
        match self.0.recv().await {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await,
        }
    }
}

pub fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

/// The body of what the target answers to GET: it never ends.
pub const BODY: &[u8] = b"pong";

/// Echoes, or answers a request of HTTP. Ports 1 and 2 are of hosts that refuse and that never answer.
async fn dial(request: Request) -> Result<Connected<DuplexStream>, BoxError> {
    match request.target.port() {
        1 => return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
        2 => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        _ => {}
    }
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let (read, mut write) = split(far);
        let mut read = PrefixedStream::new(read);
        if read
            .peek(4)
            .await
            .is_ok_and(|seen| seen.starts_with(b"GET "))
        {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
            let _ = write.write_all(&[head, BODY].concat()).await;
            let _ = copy(&mut read, &mut tokio::io::sink()).await;
            return;
        }
        let _ = copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    });
    Ok(Connected::new(near, "198.51.100.7:4321".parse()?))
}

impl Stage {
    pub fn new() -> Self {
        Self::with(Knobs::default())
    }

    pub fn ruled(rules: &'static str) -> Self {
        Self::with(Knobs {
            rules,
            ..Knobs::default()
        })
    }

    pub fn with(knobs: Knobs) -> Self {
        let users: Users = [("joe", "secret"), ("ann", "secret")].into_iter().collect();
        let claims = |claim: &[u8]| match claim {
            b"joe" | b"ann" => Some(Identity::named(claim)),
            b"" => Some(Identity::anonymous()),
            _ => None,
        };
        let policy = SwapPolicy::new(rules(knobs.rules));
        let open = OpenTunnels::new();
        let tunnels =
            ConcurrentTunnels::new(knobs.tunnels, key::user as fn(&Request) -> Option<User>);
        let minute = NonZeroU32::new(knobs.requests_per_minute).unwrap();
        let transports = service_fn(|_: Request| async { Ok::<_, BoxError>(Echo::default()) });
        let connector = Connector::direct()
            .with_connect(service_fn(dial))
            .with_associate(Associate::with_transports(transports));
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(
                MixedLayer::new()
                    .socks5(HandshakeLayer::new())
                    .socks4(Socks4Layer::new())
                    .http(HttpLayer::new()),
            )
            .layer(FailedLoginsLayer::new())
            .layer(AuthLayer::new((
                UserPass::new(users),
                AcceptUserId::new(claims),
                NoAuth,
            )))
            .layer(UdpOverTcpLayer::new())
            .layer(RequestMetricsLayer::new())
            .layer(TraceLayer::new())
            .layer(RecheckLayer::new(policy.clone()))
            .layer(AclLayer::new(policy.clone()))
            .layer(LimitLayer::new(RequestRate::per_minute(minute, key::user)))
            .layer(LimitLayer::new(tunnels.clone()))
            .layer(MeterLayer::new(ByteQuota::new(
                knobs.quota,
                Duration::from_secs(3600),
                key::user,
            )))
            .layer(MeterLayer::new(Bandwidth::new(key::user).down(knobs.down)))
            .layer(open.layer())
            .service(connector);
        let (arrivals, receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(Arrivals(receiver), stack)
            .sessions(knobs.sessions)
            .unauthenticated_per_client(knobs.handshakes)
            .drain_limit(Duration::from_secs(7))
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            });
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            arrivals,
            policy,
            open,
            tunnels,
            stop,
            server,
        }
    }

    /// A connection from an address.
    pub fn arrive(&self, from: &str) -> DuplexStream {
        let (client, near) = tokio::io::duplex(64 * 1024);
        let peer = SocketAddr::new(from.parse().unwrap(), 50_000);
        let local = SocketAddr::new(LISTENER.0.parse().unwrap(), LISTENER.1);
        let accepted = Accepted::new(near, peer, local);
        self.arrivals.send(accepted).unwrap();
        client
    }

    pub async fn ask_from(
        &self,
        from: &str,
        door: Door,
        login: Option<(&str, &str)>,
        target: (&str, u16),
    ) -> (Answer, DuplexStream) {
        let mut client = self.arrive(from);
        let answer = door.ask(&mut client, login, target, b"").await;
        (answer, client)
    }

    /// As joe from home.
    pub async fn joe(&self, door: Door, target: (&str, u16)) -> (Answer, DuplexStream) {
        self.ask_from(HOME, door, JOE, target).await
    }

    /// A tunnel of joe's, which works.
    pub async fn tunnel(&self, door: Door) -> DuplexStream {
        let (answer, mut client) = self.joe(door, TARGET).await;
        assert_eq!(answer, Answer::Open, "{door:?}");
        match door {
            Door::Get => client.hear(BODY).await,
            Door::Socks5 | Door::Socks4 | Door::Http => echoes(&mut client, b"ping").await,
        }
        client
    }

    /// Stops the server. Returns once it has ended.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.server.await.unwrap();
    }
}

pub async fn echoes(client: &mut DuplexStream, said: &[u8]) {
    client.write_all(said).await.unwrap();
    let mut heard = vec![0; said.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, said);
}

/// Reads to the end, however it ends.
pub async fn rest(client: &mut DuplexStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    rest
}
