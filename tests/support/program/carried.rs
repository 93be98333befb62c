//! Datagrams in a stream to the example server, octet by octet, and a target that sends them back.

use std::{
    io::{Read, Write},
    net::{SocketAddr, UdpSocket},
    thread,
};

use super::Server;

/// A target that sends back what comes, for as long as the test lasts.
pub fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut payload = vec![0; 65_535];
        while let Ok((len, client)) = socket.recv_from(&mut payload) {
            _ = socket.send_to(&payload[..len], client);
        }
    });
    address
}

/// What carries datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    V1,
    V2,
    /// With one destination.
    V2Connected,
    ForwardUdp,
}

impl Carrier {
    pub const ALL: [Self; 4] = [Self::V1, Self::V2, Self::V2Connected, Self::ForwardUdp];

    /// The name that a CONNECT for it states.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "sp.udp-over-tcp.arpa",
            Self::V2 | Self::V2Connected => "sp.v2.udp-over-tcp.arpa",
            Self::ForwardUdp => unreachable!("it has a command"),
        }
    }

    /// The request of SOCKS5 for it.
    pub fn socks5(self) -> Vec<u8> {
        match self {
            Self::ForwardUdp => b"\x05\x05\x00\x01\0\0\0\0\0\0".to_vec(),
            _ => {
                let name = self.name();
                let length = u8::try_from(name.len()).unwrap();
                [b"\x05\x01\x00\x03", &[length][..], name.as_bytes(), &[0; 2]].concat()
            }
        }
    }

    /// What goes before the first frame.
    pub fn start(self, target: SocketAddr) -> Vec<u8> {
        match self {
            Self::V1 | Self::ForwardUdp => Vec::new(),
            Self::V2 => b"\x00\x01\0\0\0\0\0\0".to_vec(),
            Self::V2Connected => [b"\x01\x01", &address(target)[..]].concat(),
        }
    }

    /// A frame to or from a target.
    pub fn frame(self, target: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
        match self {
            Self::V1 | Self::V2 => [&[0], &address(target)[..], &len, payload].concat(),
            Self::V2Connected => [&len, payload].concat(),
            Self::ForwardUdp => [&len, &b"\x0a\x01"[..], &address(target), payload].concat(),
        }
    }

    /// Sends datagrams behind what asks for them, in one write, and hears each of them again after the reply.
    pub fn exchanges(
        self,
        stream: &mut (impl Read + Write),
        request: &[u8],
        reply: usize,
        target: SocketAddr,
    ) -> Vec<u8> {
        let payloads = [&b"ping"[..], b"", &[7; 1_000]];
        let frames: Vec<_> = payloads.map(|it| self.frame(target, it)).concat();
        let all = [request, &self.start(target), &frames].concat();
        stream.write_all(&all).unwrap();
        let mut heard = vec![0; reply + frames.len()];
        stream.read_exact(&mut heard).unwrap();
        let frames_heard = heard.split_off(reply);
        assert_eq!(frames_heard, frames, "{self:?}");
        heard
    }

    /// The same by SOCKS5. The stream stays open.
    pub fn exchanges_by_socks5(self, server: &Server, target: SocketAddr) -> std::net::TcpStream {
        let mut stream = server.connect();
        let request = [b"\x05\x01\x00", &self.socks5()[..]].concat();
        let heard = self.exchanges(&mut stream, &request, 12, target);
        assert_eq!(heard, b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0", "{self:?}");
        stream
    }
}

/// Address and port.
fn address(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        unreachable!()
    };
    let port = target.port().to_be_bytes();
    [&target.ip().octets()[..], &port].concat()
}
