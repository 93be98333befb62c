//! A client's side of UDP over TCP.

use std::net::SocketAddr;

use tokio::net::{TcpStream, UdpSocket};
use tower::Layer;
use tower_socks::{
    BoxError, Connector, NoAuth, Request, Tunnel, layer::udp_over_tcp::UdpOverTcpLayer,
};

use crate::{
    association::reaches,
    case::{Miss, Outcome},
    server::{Server, foreign, ours},
    support::{
        stack,
        udp::{address, association::socket},
    },
    talk::{CONNECT, Talk, name},
};

pub const V1_NAME: &str = "sp.udp-over-tcp.arpa";
pub const V2_NAME: &str = "sp.v2.udp-over-tcp.arpa";

/// hev's command.
pub const FORWARD_UDP: u8 = 5;

/// What carries datagrams, and in which frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    V1,
    /// Version 2, where each frame has an address.
    V2,
    /// Version 2, where all datagrams have one destination.
    Connected,
    ForwardUdp,
}

pub const KINDS: [Kind; 4] = [Kind::V1, Kind::V2, Kind::Connected, Kind::ForwardUdp];

/// ATYP, ADDR and PORT, where X'00' is IPv4 and X'01' IPv6.
fn other_atyps(address: SocketAddr) -> Vec<u8> {
    match address {
        SocketAddr::V4(v4) => [&[0][..], &v4.ip().octets(), &v4.port().to_be_bytes()].concat(),
        SocketAddr::V6(v6) => [&[1][..], &v6.ip().octets(), &v6.port().to_be_bytes()].concat(),
    }
}

fn length(payload: &[u8]) -> [u8; 2] {
    u16::try_from(payload.len()).unwrap().to_be_bytes()
}

impl Kind {
    /// CMD, RSV and DST.
    pub fn request(self) -> Vec<u8> {
        match self {
            Self::V1 => [&[CONNECT, 0][..], &name(V1_NAME, 0)].concat(),
            Self::V2 | Self::Connected => [&[CONNECT, 0][..], &name(V2_NAME, 0)].concat(),
            Self::ForwardUdp => [&[FORWARD_UDP, 0][..], b"\x01\0\0\0\0\0\0"].concat(),
        }
    }

    /// What stands in front of the frames.
    pub fn first(self, to: SocketAddr) -> Vec<u8> {
        match self {
            Self::V1 | Self::ForwardUdp => Vec::new(),
            Self::V2 => [&[0][..], &address(to)].concat(),
            Self::Connected => [&[1][..], &address(to)].concat(),
        }
    }

    /// A datagram to or from an address.
    pub fn frame(self, with: SocketAddr, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::V1 | Self::V2 => [&other_atyps(with), &length(payload)[..], payload].concat(),
            Self::Connected => [&length(payload)[..], payload].concat(),
            Self::ForwardUdp => forwarded(&address(with), payload),
        }
    }

    /// A datagram to a name, where frames have addresses.
    pub fn named(self, to: &str, port: u16, payload: &[u8]) -> Vec<u8> {
        let mut name = name(to, port);
        if self == Self::ForwardUdp {
            return forwarded(&name, payload);
        }
        name[0] = 2;
        [&name, &length(payload)[..], payload].concat()
    }
}

/// LEN HDRLEN ATYP ADDR PORT DATA.
pub fn forwarded(dst: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = u8::try_from(3 + dst.len()).unwrap();
    [&length(payload), &[header][..], dst, payload].concat()
}

/// A server that knows UDP over TCP: the other one, or ours.
pub async fn server() -> Server {
    match foreign() {
        Some(server) => server.clone(),
        None => serving(Connector::direct()).await,
    }
}

/// A server of ours that executes its associations so.
pub async fn serving<S>(connector: S) -> Server
where
    S: tower::Service<
            Request,
            Response: Tunnel + Send + 'static,
            Error: Into<BoxError>,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    ours(stack(NoAuth, UdpOverTcpLayer::new().layer(connector))).await
}

/// A stream of frames, and the socket that its datagrams go to.
#[derive(Debug)]
pub struct Frames<'a> {
    pub stream: TcpStream,
    pub kind: Kind,
    pub target: &'a UdpSocket,
}

impl<'a> Frames<'a> {
    /// Asks for the stream, and writes what stands in front of the frames.
    pub async fn new(server: &Server, kind: Kind, target: &'a UdpSocket) -> Result<Self, Miss> {
        let mut frames = Self::asked(server, kind, target).await?;
        let first = kind.first(frames.to());
        frames.stream.say(&first).await?;
        Ok(frames)
    }

    /// Asks for the stream alone.
    pub async fn asked(server: &Server, kind: Kind, target: &'a UdpSocket) -> Result<Self, Miss> {
        let mut stream = server.client().await?;
        stream.say(&[&[5][..], &kind.request()].concat()).await?;
        opened(server, &mut stream).await?;
        Ok(Self {
            stream,
            kind,
            target,
        })
    }

    /// Where the target is.
    pub fn to(&self) -> SocketAddr {
        self.target.local_addr().unwrap()
    }

    pub async fn say(&mut self, payload: &[u8]) -> Outcome {
        let frame = self.kind.frame(self.to(), payload);
        self.stream.say(&frame).await
    }

    /// The next frame has to be this payload, from the target.
    pub async fn hear(&mut self, payload: &[u8]) -> Outcome {
        let frame = self.kind.frame(self.to(), payload);
        self.stream.hear(&frame).await
    }

    /// A payload goes to the target and comes back, and nothing is on the way before it. Answers where the target
    /// has seen it come from.
    pub async fn echo(&mut self, payload: &[u8]) -> Result<SocketAddr, Miss> {
        self.say(payload).await?;
        self.echoed(payload).await
    }

    /// What was said before goes to the target and comes back.
    pub async fn echoed(&mut self, payload: &[u8]) -> Result<SocketAddr, Miss> {
        let source = reaches(self.target, payload).await?;
        self.target.send_to(payload, source).await.unwrap();
        self.hear(payload).await?;
        Ok(source)
    }
}

/// Reads the reply, whose BND is zeros: there is nothing to send to.
pub async fn opened(server: &Server, stream: &mut TcpStream) -> Outcome {
    let reply = stream.reply().await;
    if !server.is_ours() {
        return match reply {
            Ok(reply) if reply.code == 0 => Ok(()),
            _ => Err(Miss::Skipped("it has no such UDP over TCP".into())),
        };
    }
    let reply = reply?;
    ensure!(reply.code == 0, "reply {:02x}", reply.code);
    let zeros = reply.bound == Some(([0, 0, 0, 0], 0).into());
    ensure!(zeros, "BND {:?}", reply.bound);
    Ok(())
}

/// Those of the kinds that the server has; one at least.
pub async fn offered(server: &Server) -> Result<Vec<Kind>, Miss> {
    let target = socket("127.0.0.1").await;
    let mut offered = Vec::new();
    let mut why = None;
    for kind in KINDS {
        match Frames::new(server, kind, &target).await {
            Ok(_) => offered.push(kind),
            Err(Miss::Skipped(skipped)) => why = Some(skipped),
            Err(fails) => return Err(fails),
        }
    }
    match why {
        Some(why) if offered.is_empty() => Err(Miss::Skipped(why)),
        _ => Ok(offered),
    }
}
