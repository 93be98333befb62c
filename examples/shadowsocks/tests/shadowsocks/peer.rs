use std::net::SocketAddr;

use tokio::{net::UdpSocket, time::timeout};

use crate::{
    crafted::{Sealed, open},
    support::{SHORT, soon},
};

/// A client with a socket of its own.
pub struct Peer(pub UdpSocket);

impl Peer {
    pub async fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server).await.unwrap();
        Self(socket)
    }

    pub async fn send(&self, user: &str, session: u64, number: u64, rest: &[u8]) {
        let sealed = Sealed {
            user,
            session,
            number,
            ahead: 0,
            rest,
        };
        self.0.send(&sealed.octets()).await.unwrap();
    }

    /// The session that was answered, and the payload.
    pub async fn hear(&self, user: &str) -> (u64, Vec<u8>) {
        let mut packet = vec![0; 2_048];
        let len = soon(self.0.recv(&mut packet)).await.unwrap();
        let (_, _, session, rest) = open(user, &packet[..len]);
        (session, rest[7..].to_vec())
    }

    pub async fn hears_nothing(&self) {
        let heard = timeout(SHORT, self.0.recv(&mut [0; 2_048])).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}
