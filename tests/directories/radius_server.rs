//! A server of RADIUS that says what a test tells it to.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use tokio::net::UdpSocket;
use tower::ServiceExt;
use tower_socks::{
    BoxError, Credentials, Identity,
    layer::auth::radius::{Radius, RadiusBuilder},
};

pub(crate) const SECRET: &str = "a long shared secret";

pub(crate) struct Server {
    pub(crate) socket: UdpSocket,
}

/// A packet that has come.
pub(crate) struct Packet {
    pub(crate) octets: Vec<u8>,
    pub(crate) from: SocketAddr,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { socket }
    }

    pub(crate) fn address(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }

    pub(crate) fn builder(&self) -> RadiusBuilder {
        Radius::builder([self.address()], SECRET)
    }

    pub(crate) async fn packet(&self) -> Packet {
        let mut octets = vec![0; 5000];
        let (len, from) = self.socket.recv_from(&mut octets).await.unwrap();
        octets.truncate(len);
        Packet { octets, from }
    }

    pub(crate) async fn send(&self, octets: &[u8], packet: &Packet) {
        self.socket.send_to(octets, packet.from).await.unwrap();
    }
}

impl Packet {
    /// The values of one kind.
    pub(crate) fn all(&self, kind: u8) -> Vec<&[u8]> {
        let mut rest = &self.octets[20..];
        let mut found = Vec::new();
        while let [other, len, ..] = *rest {
            let (attribute, after) = rest.split_at(len.into());
            if other == kind {
                found.push(&attribute[2..]);
            }
            rest = after;
        }
        found
    }

    pub(crate) fn number(&self, kind: u8) -> Option<u32> {
        let value = *self.all(kind).first()?;
        Some(u32::from_be_bytes(value.try_into().unwrap()))
    }

    pub(crate) fn text(&self, kind: u8) -> Option<&str> {
        let value = *self.all(kind).first()?;
        Some(str::from_utf8(value).unwrap())
    }

    /// The password, as a server finds it.
    pub(crate) fn password(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut before = self.octets[4..20].to_vec();
        for block in self.all(2)[0].chunks(16) {
            let pad = Md5::digest([SECRET.as_bytes(), &before].concat());
            plain.extend(block.iter().zip(pad).map(|(octet, pad)| octet ^ pad));
            before = block.to_vec();
        }
        while plain.last() == Some(&0) {
            plain.pop();
        }
        plain
    }

    /// Whether Message-Authenticator comes first and is right.
    pub(crate) fn is_signed(&self) -> bool {
        let mut octets = self.octets.clone();
        let code = octets[22..38].to_vec();
        octets[22..38].fill(0);
        octets[20..22] == [80, 18] && hmac(&octets) == code
    }

    /// An answer to it that is signed as it has to be.
    pub(crate) fn answer(&self, code: u8, attributes: &[u8]) -> Vec<u8> {
        let attributes = [attributes, &[80, 18], &[0; 16]].concat();
        let mut packet = self.head(code, &attributes);
        packet.extend(&self.octets[4..20]);
        packet.extend(&attributes);
        let signature = hmac(&packet);
        let at = packet.len() - 16;
        packet[at..].copy_from_slice(&signature);
        self.unsigned_answer(code, &packet[20..])
    }

    /// An answer that has a Response Authenticator alone.
    pub(crate) fn unsigned_answer(&self, code: u8, attributes: &[u8]) -> Vec<u8> {
        let head = self.head(code, attributes);
        let request = &self.octets[4..20];
        let authenticator = Md5::digest([&head, request, attributes, SECRET.as_bytes()].concat());
        [&head, &authenticator[..], attributes].concat()
    }

    fn head(&self, code: u8, attributes: &[u8]) -> Vec<u8> {
        let len = u16::try_from(20 + attributes.len()).unwrap();
        [&[code, self.octets[1]][..], &len.to_be_bytes()].concat()
    }
}

fn hmac(octets: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Md5>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(octets);
    mac.finalize().into_bytes().to_vec()
}

/// One attribute.
pub(crate) fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(value.len() + 2).unwrap();
    [&[kind, len], value].concat()
}

pub(crate) async fn log_in(
    radius: &Radius,
    name: &str,
    password: &str,
) -> Result<Identity, BoxError> {
    let credentials = Credentials::new(name, password).unwrap();
    let client = ([192, 0, 2, 7], 50000).into();
    radius.clone().oneshot(credentials.with_peer(client)).await
}
