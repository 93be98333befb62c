//! A client's side of a tunnel: frames, octet by octet.

use std::{error::Error, io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UdpSocket},
};
use tower::{Layer, Service, util::MapResponse};
use tower_socks::{
    BoxError, NoAuth, Request, SessionError, Traffic, TunnelExt,
    layer::{
        auth::Auth,
        handshake::Handshake,
        udp_over_tcp::{UdpOverTcpLayer, UdpOverTcpService},
    },
    relay::RelayError,
    session::Accepted,
};

use crate::support::{
    Script,
    udp::{self, Client, address, association::receive, ear::Ear, name},
};

/// A protocol of UDP over TCP, in each of its modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    V1,
    V2,
    /// Version 2 with one destination.
    Connected,
    ForwardUdp,
}

pub const MODES: [Mode; 4] = [Mode::V1, Mode::V2, Mode::Connected, Mode::ForwardUdp];

/// The modes in which each frame has an address.
pub const ADDRESSED: [Mode; 3] = [Mode::V1, Mode::V2, Mode::ForwardUdp];

/// ATYP, address and port as SOCKS5 has them, in the form of version 1.
fn in_version_1(target: &[u8]) -> Vec<u8> {
    let kind = match target[0] {
        1 => 0,
        4 => 1,
        3 => 2,
        other => panic!("ATYP {other}"),
    };
    [&[kind], &target[1..]].concat()
}

impl Mode {
    /// VER, CMD, RSV and the target.
    pub fn request(self) -> Vec<u8> {
        match self {
            Self::V1 => [&b"\x05\x01\x00"[..], &name("sp.udp-over-tcp.arpa", 0)].concat(),
            Self::V2 | Self::Connected => {
                [&b"\x05\x01\x00"[..], &name("sp.v2.udp-over-tcp.arpa", 0)].concat()
            }
            Self::ForwardUdp => b"\x05\x05\x00\x01\0\0\0\0\0\0".to_vec(),
        }
    }

    /// What goes in front of the first frame to a target, as SOCKS5 has it from ATYP on.
    pub fn first(self, target: &[u8]) -> Vec<u8> {
        match self {
            Self::V1 | Self::ForwardUdp => Vec::new(),
            Self::V2 => [&[0], target].concat(),
            Self::Connected => [&[1], target].concat(),
        }
    }

    /// A frame with a target, as SOCKS5 has it from ATYP on.
    pub fn frame(self, target: &[u8], payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
        match self {
            Self::V1 | Self::V2 => [&in_version_1(target), &len[..], payload].concat(),
            Self::Connected => [&len[..], payload].concat(),
            Self::ForwardUdp => {
                let header = u8::try_from(3 + target.len()).unwrap();
                [&len[..], &[header], target, payload].concat()
            }
        }
    }
}

/// Handshake and authentication in front of UDP over TCP and a service for requests.
pub fn stack<S: Clone>(service: S) -> Handshake<Auth<NoAuth, UdpOverTcpService<S>>> {
    udp::stack(UdpOverTcpLayer::new().layer(service))
}

/// The same, where a meter hears of everything.
pub fn metered<S, Io>(service: S, ear: &Ear) -> impl Session<Io> + use<S, Io>
where
    S: Service<Request, Response: TunnelExt, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ear = ear.clone();
    stack(MapResponse::new(service, move |tunnel| {
        TunnelExt::metered(tunnel, ear.clone())
    }))
}

/// A stack for accepted connections.
pub trait Session<Io = TcpStream>:
    Service<Accepted<Io>, Response = Traffic, Error = BoxError, Future: Send> + Clone + Send + 'static
{
}

impl<S, Io> Session<Io> for S where
    S: Service<Accepted<Io>, Response = Traffic, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// A tunnel, seen from the client.
#[derive(Debug)]
pub struct Tunnel {
    pub client: Client,
    pub mode: Mode,
}

impl Tunnel {
    /// A tunnel after the reply, with nothing said in it.
    pub async fn new(mode: Mode, stack: impl Session) -> Self {
        Self::of(mode, Client::new(stack).await).await
    }

    pub async fn of(mode: Mode, mut client: Client) -> Self {
        client.io.say(b"\x05\x01\x00").await;
        client.io.hear(b"\x05\x00").await;
        client.io.say(&mode.request()).await;
        client.io.hear(b"\x05\x00\x00\x01\0\0\0\0\0\0").await;
        Self { client, mode }
    }

    /// A tunnel whose client has said where its datagrams go, if it has to.
    pub async fn to(mode: Mode, stack: impl Session, target: &[u8]) -> Self {
        let mut tunnel = Self::new(mode, stack).await;
        tunnel.client.io.say(&mode.first(target)).await;
        tunnel
    }

    /// Sends a payload to a target.
    pub async fn say(&mut self, target: &[u8], payload: &[u8]) {
        let frame = self.mode.frame(target, payload);
        self.client.io.say(&frame).await;
    }

    /// The next frame has to be this payload, from this source.
    pub async fn hear(&mut self, source: SocketAddr, payload: &[u8]) {
        let frame = self.mode.frame(&address(source), payload);
        self.client.io.hear(&frame).await;
    }

    /// A payload goes to a target and comes back, and nothing is on the way before it. Says where the target has
    /// seen it come from.
    pub async fn echo(&mut self, target: &UdpSocket, payload: &[u8]) -> SocketAddr {
        let at = target.local_addr().unwrap();
        self.say(&address(at), payload).await;
        let (heard, source) = receive(target).await;
        assert_eq!(heard, payload);
        target.send_to(payload, source).await.unwrap();
        self.hear(at, payload).await;
        source
    }

    /// How the session ends once the client has closed.
    pub async fn close(self) -> Result<Traffic, SessionError> {
        self.client.lingering_close().await
    }
}

/// The address of a socket, as SOCKS5 has it from ATYP on.
pub fn at(socket: &UdpSocket) -> Vec<u8> {
    address(socket.local_addr().unwrap())
}

/// The error of the relay in that of a session, and the text of the whole chain.
pub fn relay_error(error: &SessionError) -> (&RelayError, String) {
    let mut relayed = None;
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        relayed = relayed.or_else(|| cause.downcast_ref::<RelayError>());
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = inner
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| cause.source());
    }
    texts.dedup();
    (relayed.expect("an error of the relay"), texts.join(": "))
}
