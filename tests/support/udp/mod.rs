//! Clients of BIND and UDP ASSOCIATE: what they say octet by octet, and what they have to hear.

pub mod association;
pub mod binding;
pub mod ear;
pub mod policies;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time,
};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, NoAuth, SessionError, Traffic,
    layer::{auth::Auth, handshake::Handshake},
    server::Listener,
    session::Accepted,
};

use crate::support::Script;

pub const BIND: u8 = 2;
pub const ASSOCIATE: u8 = 3;

/// Bounds a whole test. Nothing here takes more than a moment, but for the jumps of the clock.
pub async fn within<F: Future>(test: F) -> F::Output {
    time::timeout(Duration::from_secs(150), test)
        .await
        .expect("the dialogue came to a halt")
}

/// Lets the clock jump. It moves as usual before and after, since sockets are in real time.
pub async fn pass(seconds: u64) {
    time::pause();
    time::advance(Duration::from_secs(seconds)).await;
    time::resume();
}

/// Handshake and authentication in front of a service for requests.
pub fn stack<S: Clone>(service: S) -> Handshake<Auth<NoAuth, S>> {
    crate::support::stack(NoAuth, service)
}

/// A test, or a part of it, that cannot be here.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// ATYP, address and port.
pub fn address(address: SocketAddr) -> Vec<u8> {
    let mut octets = match address.ip() {
        IpAddr::V4(ip) => [&[1][..], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&[4][..], &ip.octets()].concat(),
    };
    octets.extend(address.port().to_be_bytes());
    octets
}

/// ATYP, name and port.
pub fn name(name: &str, port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[3, length], name.as_bytes(), &port.to_be_bytes()].concat()
}

/// A client that asks, and hears where it is.
pub trait ClientScript: Script {
    /// The greeting, and a request: CMD, and DST from ATYP on.
    async fn request(&mut self, command: u8, target: &[u8]) {
        self.say(b"\x05\x01\x00").await;
        self.hear(b"\x05\x00").await;
        self.say(&[&[5, command, 0], target].concat()).await;
    }

    /// BND of a reply that has to be a success.
    async fn bound(&mut self) -> SocketAddr {
        self.hear(b"\x05\x00\x00").await;
        let ip: IpAddr = match self.read_u8().await.unwrap() {
            1 => IpAddr::from(self.read_u32().await.unwrap().to_be_bytes()),
            4 => IpAddr::from(self.read_u128().await.unwrap().to_be_bytes()),
            other => panic!("ATYP {other} in a reply"),
        };
        SocketAddr::new(ip, self.read_u16().await.unwrap())
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> ClientScript for Io {}

/// A session, seen from the client.
#[derive(Debug)]
pub struct Client {
    pub io: TcpStream,
    session: JoinHandle<Result<Traffic, BoxError>>,
}

impl Client {
    pub async fn new<S>(stack: S) -> Self
    where
        S: Service<Accepted<TcpStream>, Response = Traffic, Error = BoxError> + Send + 'static,
        S::Future: Send,
    {
        Self::on("127.0.0.1:0", "127.0.0.1", "127.0.0.1", stack).await
    }

    /// A client at `from` that connects to `to`, where a server listens at `listen`.
    pub async fn on<S>(listen: &str, to: &str, from: &str, stack: S) -> Self
    where
        S: Service<Accepted<TcpStream>, Response = Traffic, Error = BoxError> + Send + 'static,
        S::Future: Send,
    {
        let mut listener = TcpListener::bind(listen).await.unwrap();
        let listening = listener.start().unwrap();
        let to = SocketAddr::new(to.parse().unwrap(), listening.port());
        let io = connect_from(from, to).await.unwrap();
        let accepted = Listener::accept(&mut listener, listening).await.unwrap();
        let session = tokio::spawn(stack.oneshot(accepted));
        Self { io, session }
    }

    pub fn is_over(&self) -> bool {
        self.session.is_finished()
    }

    /// How the session ended, with the client's end still open.
    pub async fn outcome(&mut self) -> Result<Traffic, SessionError> {
        let outcome = (&mut self.session).await.expect("a session never panics");
        outcome.map_err(|error| *error.downcast().expect("sessions fail with SessionError"))
    }

    /// How the session ends once the client has closed.
    pub async fn lingering_close(self) -> Result<Traffic, SessionError> {
        let Self { io, session } = self;
        drop(io);
        let outcome = session.await.expect("a session never panics");
        outcome.map_err(|error| *error.downcast().expect("sessions fail with SessionError"))
    }

    /// How the session ends once the client's end is lost.
    pub async fn reset(self) -> Result<Traffic, SessionError> {
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&self.io).set_linger(linger).unwrap();
        self.lingering_close().await
    }
}

/// A connection with a source address of choice.
pub async fn connect_from(from: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let from: IpAddr = from.parse().unwrap();
    let socket = match from {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// A port that nobody has on 127.0.0.1, neither for TCP nor for UDP, from where the system takes
/// none by itself.
pub fn quiet_port() -> u16 {
    use std::{
        net::{TcpListener, UdpSocket},
        sync::atomic::{AtomicU16, Ordering},
    };
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 1000).unwrap();
    for _ in 0..1000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (process * 17 + step) % 17_000;
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free {
            return port;
        }
    }
    panic!("no free port");
}
