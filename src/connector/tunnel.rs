use std::{future::Future, io};

use futures_util::future::Either;

use crate::{proto::Address, relay::Traffic, session::Tunnel};

/// The tunnel of one command out of three: the response of [`Connector`](super::Connector).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorTunnel<Connect, Bind, Associate> {
    /// A stream to the target.
    Connect(Connect),
    /// A stream from the target.
    Bind(Bind),
    /// A relay for datagrams.
    Associate(Associate),
}

impl<W, C, B, A> Tunnel<W> for ConnectorTunnel<C, B, A>
where
    W: Send,
    C: Tunnel<W>,
    B: Tunnel<W>,
    A: Tunnel<W>,
{
    fn bound(&self) -> Address {
        match self {
            Self::Connect(tunnel) => tunnel.bound(),
            Self::Bind(tunnel) => tunnel.bound(),
            Self::Associate(tunnel) => tunnel.bound(),
        }
    }

    fn run(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        match self {
            Self::Connect(tunnel) => Either::Left(tunnel.run(client)),
            Self::Bind(tunnel) => Either::Right(Either::Left(tunnel.run(client))),
            Self::Associate(tunnel) => Either::Right(Either::Right(tunnel.run(client))),
        }
    }
}
