//! A client's side of an association.

use std::net::SocketAddr;

use tokio::net::{TcpStream, UdpSocket};

use crate::{
    case::{Miss, Outcome},
    server::Server,
    support::udp::{
        address,
        association::{datagram, socket},
    },
    talk::{ASSOCIATE, Talk, shown, within},
};

/// An association, and a socket of its client's on 127.0.0.1.
#[derive(Debug)]
pub struct Association {
    pub control: TcpStream,
    pub udp: UdpSocket,
    /// BND: where the client has to send.
    pub relay: SocketAddr,
}

impl Association {
    /// DST is zeros: the client does not know yet.
    pub async fn new(server: &Server) -> Result<Self, Miss> {
        Self::from(server, ([0, 0, 0, 0], 0).into(), socket("127.0.0.1").await).await
    }

    /// The client says this of where it will send from.
    pub async fn from(server: &Server, dst: SocketAddr, udp: UdpSocket) -> Result<Self, Miss> {
        let mut control = server.asked(ASSOCIATE, &address(dst)).await?;
        let reply = control.reply().await?;
        if reply.code == 7 && !server.is_ours() {
            return Err(Miss::Skipped("it has no UDP ASSOCIATE".into()));
        }
        ensure!(reply.code == 0, "reply {:02x}", reply.code);
        let Some(mut relay) = reply.bound else {
            return Err(Miss::Fails("BND is a name".into()));
        };
        // A3 is about that, and the other lines are not.
        if relay.ip().is_unspecified() {
            relay.set_ip(server.address.ip());
        }
        Ok(Self {
            control,
            udp,
            relay,
        })
    }

    /// Sends octets as they are.
    pub async fn send(&self, datagram: &[u8]) -> Outcome {
        self.send_from(&self.udp, datagram).await
    }

    pub async fn send_from(&self, socket: &UdpSocket, datagram: &[u8]) -> Outcome {
        // An error of an earlier datagram is not one of this.
        let _ = socket.take_error();
        within("sending", socket.send_to(datagram, self.relay)).await?;
        Ok(())
    }

    /// Sends a payload to ATYP, address and port.
    pub async fn send_to(&self, dst: &[u8], payload: &[u8]) -> Outcome {
        self.send(&datagram(0, dst, payload)).await
    }

    /// Sends a payload to a target.
    pub async fn say(&self, target: &UdpSocket, payload: &[u8]) -> Outcome {
        let dst = address(target.local_addr().unwrap());
        self.send_to(&dst, payload).await
    }

    /// The next datagram has to be this payload, from this target.
    pub async fn hear(&self, target: &UdpSocket, payload: &[u8]) -> Outcome {
        let (heard, source) = receive("the client", &self.udp).await?;
        ensure!(source == self.relay, "a datagram from {source}, not BND");
        let target = address(target.local_addr().unwrap());
        same(&heard, &datagram(0, &target, payload), "the client")
    }

    /// A payload goes to a target and comes back, and nothing is on the way before it. Answers
    /// where the target has seen it come from.
    pub async fn echo(&self, target: &UdpSocket, payload: &[u8]) -> Result<SocketAddr, Miss> {
        self.say(target, payload).await?;
        let source = reaches(target, payload).await?;
        target.send_to(payload, source).await.unwrap();
        self.hear(target, payload).await?;
        Ok(source)
    }
}

/// The next thing that `target` hears is this payload. Answers where it came from.
pub async fn reaches(target: &UdpSocket, payload: &[u8]) -> Result<SocketAddr, Miss> {
    let (heard, source) = receive("the target", target).await?;
    same(&heard, payload, "the target")?;
    Ok(source)
}

/// The next datagram, and where it is from.
pub async fn receive(who: &str, socket: &UdpSocket) -> Result<(Vec<u8>, SocketAddr), Miss> {
    let mut datagram = vec![0; 70_000];
    let hears = format!("{who} hears");
    let (len, source) = within(&hears, socket.recv_from(&mut datagram)).await?;
    datagram.truncate(len);
    Ok((datagram, source))
}

fn same(heard: &[u8], expected: &[u8], who: &str) -> Outcome {
    let (is, should) = (shown(heard), shown(expected));
    ensure!(heard == expected, "{who} hears {is} instead of {should}");
    Ok(())
}
