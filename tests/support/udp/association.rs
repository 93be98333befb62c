//! A client's side of an association, and targets.

use std::net::{IpAddr, SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpStream, UdpSocket};
use tower::Service;
use tower_socks::{BoxError, SessionError, Traffic, session::Accepted};

use super::{ASSOCIATE, Client, ClientScript, address};

/// A socket at a port of its own.
pub async fn socket(ip: &str) -> UdpSocket {
    let ip: IpAddr = ip.parse().unwrap();
    UdpSocket::bind((ip, 0)).await.unwrap()
}

/// The next datagram, and where it is from.
pub async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut datagram = vec![0; 70_000];
    let (len, source) = socket.recv_from(&mut datagram).await.unwrap();
    datagram.truncate(len);
    (datagram, source)
}

/// Nothing waits in the queue.
pub fn assert_silent(socket: &UdpSocket) {
    let mut room = [std::mem::MaybeUninit::uninit(); 1];
    let error = SockRef::from(socket).recv(&mut room).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

/// Sends before anybody else gets a turn.
pub fn send_at_once(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) {
    let sent = SockRef::from(socket).send_to(datagram, &to.into()).unwrap();
    assert_eq!(sent, datagram.len());
}

/// RSV, FRAG and the address, from ATYP on, and a payload.
pub fn datagram(fragment: u8, target: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0, 0, fragment], target, payload].concat()
}

/// An association, seen from the client.
#[derive(Debug)]
pub struct Association {
    pub control: Client,
    pub udp: UdpSocket,
    /// BND: where the client has to send.
    pub relay: SocketAddr,
}

impl Association {
    pub async fn new<S>(stack: S) -> Self
    where
        S: Service<Accepted<TcpStream>, Response = Traffic, Error = BoxError> + Send + 'static,
        S::Future: Send,
    {
        Self::of(Client::new(stack).await).await
    }

    /// With a socket at the client's address.
    pub async fn of(mut control: Client) -> Self {
        let zeros = address(([0, 0, 0, 0], 0).into());
        control.io.request(ASSOCIATE, &zeros).await;
        let relay = control.io.bound().await;
        let ip = control.io.local_addr().unwrap().ip();
        let udp = socket(&ip.to_string()).await;
        Self {
            control,
            udp,
            relay,
        }
    }

    /// Sends octets as they are.
    pub async fn send(&self, datagram: &[u8]) {
        self.send_from(&self.udp, datagram).await;
    }

    pub async fn send_from(&self, socket: &UdpSocket, datagram: &[u8]) {
        let sent = socket.send_to(datagram, self.relay).await.unwrap();
        assert_eq!(sent, datagram.len());
    }

    /// Sends a payload to a target.
    pub async fn say(&self, target: &UdpSocket, payload: &[u8]) {
        let target = address(target.local_addr().unwrap());
        self.send(&datagram(0, &target, payload)).await;
    }

    /// The next datagram has to be this payload, from this target.
    pub async fn hear(&self, target: &UdpSocket, payload: &[u8]) {
        let (heard, source) = receive(&self.udp).await;
        assert_eq!(source, self.relay);
        let target = address(target.local_addr().unwrap());
        assert_same(&heard, &datagram(0, &target, payload));
    }

    /// The next thing that `target` hears is this payload. Says where it came from.
    pub async fn reaches(&self, target: &UdpSocket, payload: &[u8]) -> SocketAddr {
        let (heard, source) = receive(target).await;
        assert_same(&heard, payload);
        source
    }

    /// A payload goes to a target and comes back, and nothing is on the way before it. Says where
    /// the target has seen it come from.
    pub async fn echo(&self, target: &UdpSocket, payload: &[u8]) -> SocketAddr {
        self.say(target, payload).await;
        let source = self.reaches(target, payload).await;
        target.send_to(payload, source).await.unwrap();
        self.hear(target, payload).await;
        source
    }

    /// How the session ends once the client has closed the TCP connection.
    pub async fn lingering_close(self) -> Result<Traffic, SessionError> {
        self.control.lingering_close().await
    }
}

/// Compares datagrams without printing the large ones.
pub fn assert_same(heard: &[u8], expected: &[u8]) {
    let text = |bytes: &[u8]| {
        let start = bytes.get(..60).unwrap_or(bytes);
        format!("{} octets: {}", bytes.len(), start.escape_ascii())
    };
    assert_eq!(text(heard), text(expected));
    assert!(heard == expected, "the payload is changed");
}
