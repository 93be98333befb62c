//! Scripted dialogues: what a client says, byte by byte, and what it has to hear.

#![allow(dead_code, unreachable_pub, clippy::print_stderr)]

pub mod canned;
#[cfg(target_os = "linux")]
pub mod faults;
pub mod gssapi;
pub mod log;
#[cfg(feature = "rules")]
pub mod matrix;
#[cfg(unix)]
pub mod program;
pub mod resolvers;
#[cfg(feature = "rules")]
pub mod rules;
pub mod sockets;
#[cfg(target_os = "linux")]
pub mod splice;
pub mod targets;
#[cfg(feature = "tls")]
pub mod tls;
pub mod udp;
pub mod udp_over_tcp;
pub mod upstream;

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower::{Layer, Service, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, HandshakeLayer, SessionError, Traffic,
    layer::{auth::Auth, handshake::Handshake},
    serve,
    server::{AcceptService, Listener},
    session::Accepted,
};

/// A greeting that offers no authentication, and the selection of it.
pub const HELLO: &[u8] = b"\x05\x01\x00";
pub const HELLO_OK: &[u8] = b"\x05\x00";

/// CONNECT to 192.0.2.1:80.
pub const CONNECT: &[u8] = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";

/// The success reply of [`targets`]: bound to 198.51.100.7:4321.
pub const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";

/// The client's address, and the address on which it reached the proxy.
pub const PEER: &str = "203.0.113.5:50000";
pub const LOCAL: &str = "203.0.113.1:1080";

/// A complete failure reply.
pub fn failure(code: u8) -> [u8; 10] {
    [5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// Bounds a whole test. Under a paused clock it fires as soon as nothing can happen any more.
pub async fn within<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), test)
        .await
        .expect("the dialogue came to a halt")
}

/// Bounds a test in which more than half a minute passes, on a paused clock.
pub async fn within_an_hour<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(3600), test)
        .await
        .expect("the dialogue came to a halt")
}

/// Lets the server come to rest. Under a paused clock only: that moves on once all tasks wait.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A handshake and an authentication method in front of a service.
pub fn stack<A, S: Clone>(authenticate: A, service: S) -> Handshake<Auth<A, S>> {
    HandshakeLayer::new().layer(AuthLayer::new(authenticate).layer(service))
}

/// What either end of a dialogue does with its stream.
pub trait Script: AsyncRead + AsyncWrite + Unpin {
    async fn say(&mut self, bytes: &[u8]) {
        self.write_all(bytes).await.unwrap();
        self.flush().await.unwrap();
    }

    /// One write for each byte, with time for the server to look at it.
    async fn say_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.say(&[*byte]).await;
            settle().await;
        }
    }

    async fn hear(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        self.read_exact(&mut heard).await.unwrap();
        assert_eq!(
            heard.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    /// The stream ends here, without another byte.
    async fn hear_end(&mut self) {
        assert_eq!(self.hear_rest().await.escape_ascii().to_string(), "");
    }

    async fn hear_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.read_to_end(&mut rest).await.unwrap();
        rest
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Script for Io {}

/// A session in memory, seen from the client.
#[derive(Debug)]
pub struct Client {
    pub io: DuplexStream,
    pub session: JoinHandle<Result<Traffic, BoxError>>,
}

impl Client {
    pub fn new<S>(stack: S) -> Self
    where
        S: Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError> + Send + 'static,
        S::Future: Send,
    {
        Self::with_capacity(stack, 64 * 1024)
    }

    /// A client and a server that block after so many bytes nobody reads.
    pub fn with_capacity<S>(stack: S, capacity: usize) -> Self
    where
        S: Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError> + Send + 'static,
        S::Future: Send,
    {
        let (io, server) = tokio::io::duplex(capacity);
        let accepted = Accepted::new(server, PEER.parse().unwrap(), LOCAL.parse().unwrap());
        Self {
            io,
            session: tokio::spawn(stack.oneshot(accepted)),
        }
    }

    /// Greeting without authentication, request, and the reply.
    pub async fn connected(mut self) -> Self {
        self.io.say(HELLO).await;
        self.io.hear(HELLO_OK).await;
        self.io.say(CONNECT).await;
        self.io.hear(CONNECTED).await;
        self
    }

    /// How the session ended, with the client's end still open.
    pub async fn outcome(&mut self) -> Result<Traffic, SessionError> {
        let outcome = (&mut self.session).await.expect("a session never panics");
        outcome.map_err(|error| *error.downcast().expect("sessions fail with SessionError"))
    }

    pub fn is_over(&self) -> bool {
        self.session.is_finished()
    }

    /// How the session ends once the client has closed.
    pub async fn lingering_close(self) -> Result<Traffic, SessionError> {
        let Self { io, session } = self;
        drop(io);
        let outcome = session.await.expect("a session never panics");
        outcome.map_err(|error| *error.downcast().expect("sessions fail with SessionError"))
    }
}

/// The only dialogue there is time for: all of `said` in one go, and everything that comes back.
pub async fn exchange<S>(stack: S, said: &[u8]) -> Vec<u8>
where
    S: Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError> + Send + 'static,
    S::Future: Send,
{
    let mut client = Client::new(stack);
    client.io.say(said).await;
    let heard = client.io.hear_rest().await;
    let _ = client.lingering_close().await;
    heard
}

/// A stack behind a real listener on `address`; gone with the runtime.
pub async fn proxy_on<S>(address: &str, stack: S) -> SocketAddr
where
    S: AcceptService<<TcpListener as Listener>::Io>,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, stack).into_future());
    address
}

/// The same on 127.0.0.1.
pub async fn proxy<S>(stack: S) -> SocketAddr
where
    S: AcceptService<<TcpListener as Listener>::Io>,
{
    proxy_on("127.0.0.1:0", stack).await
}

/// A client of a real proxy, right behind the method selection.
pub async fn greeted(proxy: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.say(HELLO).await;
    client.hear(HELLO_OK).await;
    client
}

/// CONNECT to an address, or to a name.
pub fn connect_to(target: &str) -> Vec<u8> {
    let target = target.parse().unwrap();
    let command = tower_socks::proto::Command::CONNECT;
    tower_socks::proto::Request { command, target }
        .encode()
        .to_vec()
}

/// A success reply with this BND.
pub fn success(bound: SocketAddr) -> Vec<u8> {
    let code = tower_socks::proto::ReplyCode::SUCCEEDED;
    let bound = bound.into();
    tower_socks::proto::Reply { code, bound }.encode().to_vec()
}

/// Everything that shows up in the texts of an error and of what it came from.
pub fn texts(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        texts += &format!(" | {error} | {error:?}");
        next = error.source();
    }
    texts
}

/// Fails with the value when it is an error nobody expected.
pub fn ended<E: Debug>(outcome: Result<Traffic, E>) -> (u64, u64) {
    let traffic = outcome.unwrap();
    (traffic.up, traffic.down)
}

/// Whether this machine has `::1`. Says so where it has not.
pub fn has_ipv6() -> bool {
    let there = std::net::UdpSocket::bind("[::1]:0").is_ok();
    if !there {
        eprintln!("skipped: this machine has no ::1");
    }
    there
}
