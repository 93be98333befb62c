use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    admission::{Backoff, Place, is_about_connection},
    connector::{Outgoing, port_range::TakenPort, second_reply::second_reply},
    error::Refusal,
    io::ClientStream,
    proto::{Address, ReplyCode, canonical},
    relay::{Relay, Traffic},
    session::{Protocol, Request, Tunnel, UserOrClient},
};

/// How long accepting pauses, by the failures in a row.
const DELAYS: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_secs(1));

/// Listens for one peer, and relays: the tunnel of BIND.
///
/// Its parts are boxed, so that a connector that knows all commands does not make every CONNECT as
/// large as this.
#[derive(Debug)]
pub struct BindTunnel {
    parts: Box<Parts>,
}

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) listener: TcpListener,
    #[expect(dead_code, reason = "taken for as long as the listener is there")]
    pub(super) port: Option<TakenPort>,
    pub(super) bound: Address,
    pub(super) expected: Expected,
    pub(super) request: Request,
    pub(super) limit: Duration,
    pub(super) relay: Relay,
    /// Kept to the end of the tunnel.
    pub(super) place: Option<Place<UserOrClient>>,
}

/// The peers that are accepted.
#[derive(Debug)]
pub(super) enum Expected {
    Anyone,
    /// The peer of DST.ADDR, at any of its addresses.
    One(Vec<IpAddr>),
}

impl Expected {
    /// Leaves out the addresses that are of no family in use.
    pub(super) fn within(self, outgoing: &Outgoing) -> Result<Self, Refusal> {
        let Self::One(mut peers) = self else {
            return Ok(self);
        };
        peers.retain(|peer| outgoing.reaches(*peer));
        match peers.is_empty() {
            true => Err(Refusal::new(
                ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED,
                "the peer would come by a family that is not used",
            )),
            false => Ok(Self::One(peers)),
        }
    }

    fn includes(&self, peer: IpAddr) -> bool {
        match self {
            Self::Anyone => true,
            Self::One(addresses) => addresses.contains(&peer),
        }
    }
}

impl Tunnel for BindTunnel {
    fn bound(&self) -> Address {
        self.parts.bound.clone()
    }

    fn run<W: ClientStream>(
        mut self,
        client: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        let replies = self.parts.request.replies();
        let relay = self.parts.relay;
        let place = self.parts.place.take();
        let running = Box::pin(second_reply(client, self.parts.accept(), replies, relay));
        async move {
            let outcome = running.await;
            drop(place);
            outcome
        }
    }
}

impl BindTunnel {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts: Box::new(parts),
        }
    }
}

impl Parts {
    /// Accepts the connection of the expected peer, within the time that it has.
    async fn accept(self: Box<Self>) -> io::Result<(TcpStream, Address)> {
        match timeout(self.limit, self.expected_peer()).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
        }
    }

    async fn expected_peer(&self) -> io::Result<(TcpStream, Address)> {
        loop {
            let (stream, peer) = self.next_peer().await;
            let peer = canonical(peer);
            if !self.expected.includes(peer.ip()) {
                // SOCKS4 has it so. In SOCKS5 the wait goes on, and a stranger ends nothing.
                if self.request.protocol == Protocol::Socks4 {
                    let refusal = Refusal::not_allowed(format!("{peer} is not the expected peer"));
                    return Err(io::Error::other(refusal));
                }
                tracing::debug!(%peer, "peer rejected: not the expected one");
                continue;
            }
            match (self.request.approve(peer), &self.expected) {
                (Ok(()), _) => {
                    self.request.reached(peer);
                    return Ok((stream, Address::Ip(peer)));
                }
                // Another peer may be allowed.
                (Err(refusal), Expected::Anyone) => {
                    tracing::debug!(%peer, %refusal, "peer rejected");
                }
                (Err(refusal), Expected::One(_)) => {
                    return Err(io::Error::other(refusal));
                }
            }
        }
    }

    /// Accepts a connection, whatever becomes of those before it in the queue. What the system lacks may
    /// be there again before the time is over.
    async fn next_peer(&self) -> (TcpStream, SocketAddr) {
        let mut failures = 0;
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_about_connection(&error) => {
                    tracing::debug!(%error, "peer gone before it was accepted");
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "cannot accept the peer of a BIND; trying again");
                    }
                    failures += 1;
                    sleep(DELAYS.after(failures)).await;
                }
            }
        }
    }
}
