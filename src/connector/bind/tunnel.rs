use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    task::Poll,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    error::{Refusal, reply_code},
    io::{ClientStream, answer, refuse},
    proto::{Address, Reply, ReplyCode},
    relay::{Relay, Traffic},
    session::{Request, Tunnel},
};

/// A listener for one peer: the tunnel of BIND.
///
/// What it consists of is boxed, so that a connector that knows all commands does not make every
/// CONNECT as large as this.
#[derive(Debug)]
pub struct BindTunnel {
    parts: Box<Parts>,
}

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) listener: TcpListener,
    pub(super) bound: Address,
    pub(super) expected: Expected,
    pub(super) request: Request,
    pub(super) limit: Duration,
    pub(super) relay: Relay,
}

/// Who may connect.
#[derive(Debug)]
pub(super) enum Expected {
    Anyone,
    /// The peer of DST.ADDR, at any of its addresses.
    One(Vec<IpAddr>),
}

impl Expected {
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
        self,
        mut client: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        Box::pin(async move {
            let relay = self.parts.relay;
            match self.parts.peer(&mut client).await {
                Ok((stream, peer)) => {
                    let reply = Reply {
                        code: ReplyCode::SUCCEEDED,
                        bound: Address::Ip(peer),
                    };
                    answer(&mut client, &reply).await?;
                    relay.run(client, stream).await
                }
                Err(error) => {
                    refuse(client, reply_code(&error)).await;
                    Err(error)
                }
            }
        })
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
    /// The connection of the expected peer. The listener is gone with it.
    async fn peer<W: ClientStream>(self, client: &mut W) -> io::Result<(TcpStream, SocketAddr)> {
        let coming = timeout(
            self.limit,
            poll_fn(|cx| {
                while let Poll::Ready(accepted) = self.listener.poll_accept(cx) {
                    let (stream, peer) = accepted?;
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    if !self.expected.includes(peer.ip()) {
                        tracing::debug!(%peer, "turned away: not the expected peer");
                        continue;
                    }
                    match (self.request.approve(peer), &self.expected) {
                        (Ok(()), _) => {
                            self.request.reached(peer);
                            return Poll::Ready(Ok((stream, peer)));
                        }
                        // Somebody else may be welcome.
                        (Err(refusal), Expected::Anyone) => {
                            tracing::debug!(%peer, %refusal, "turned away");
                        }
                        (Err(refusal), Expected::One(_)) => {
                            return Poll::Ready(Err(io::Error::other(refusal)));
                        }
                    }
                }
                match client.poll_closed(cx) {
                    Poll::Ready(Ok(())) => {
                        let refusal = Refusal::new(
                            ReplyCode::GENERAL_FAILURE,
                            "the client closed before the peer came",
                        );
                        Poll::Ready(Err(io::Error::other(refusal)))
                    }
                    Poll::Ready(Err(gone)) => Poll::Ready(Err(gone)),
                    Poll::Pending => Poll::Pending,
                }
            }),
        );
        match coming.await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
        }
    }
}
