use std::{future::Future, io};

use futures_util::future::Either;

use crate::{io::ClientStream, proto::Address, relay::Traffic, session::Tunnel};

/// Runs the tunnel of one command: the response of [`Connector`](super::Connector).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorTunnel<Connect, Bind, Associate, Resolve> {
    /// A stream to the target.
    Connect(Connect),
    /// A stream from the target.
    Bind(Bind),
    /// A relay for datagrams.
    Associate(Associate),
    /// What a lookup has led to.
    Resolve(Resolve),
}

impl<C, B, A, R> Tunnel for ConnectorTunnel<C, B, A, R>
where
    C: Tunnel,
    B: Tunnel,
    A: Tunnel,
    R: Tunnel,
{
    fn bound(&self) -> Address {
        match self {
            Self::Connect(tunnel) => tunnel.bound(),
            Self::Bind(tunnel) => tunnel.bound(),
            Self::Associate(tunnel) => tunnel.bound(),
            Self::Resolve(tunnel) => tunnel.bound(),
        }
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        match self {
            Self::Connect(tunnel) => Either::Left(tunnel.run(client)),
            Self::Bind(tunnel) => Either::Right(Either::Left(tunnel.run(client))),
            Self::Associate(tunnel) => {
                Either::Right(Either::Right(Either::Left(tunnel.run(client))))
            }
            Self::Resolve(tunnel) => {
                Either::Right(Either::Right(Either::Right(tunnel.run(client))))
            }
        }
    }
}
