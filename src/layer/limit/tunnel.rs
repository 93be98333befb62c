use std::{future::Future, io};

use crate::{
    io::ClientStream,
    proto::Address,
    relay::Traffic,
    session::{Tunnel, TunnelExt},
};

/// Holds the permit of a [`Limiter`](super::Limiter) until its tunnel ends.
#[derive(Debug)]
pub struct LimitTunnel<T, P> {
    tunnel: T,
    permit: P,
}

impl<T, P> LimitTunnel<T, P> {
    pub(super) const fn new(tunnel: T, permit: P) -> Self {
        Self { tunnel, permit }
    }
}

impl<T, P> Tunnel for LimitTunnel<T, P>
where
    T: Tunnel,
    P: Send,
{
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        self.tunnel.hold(self.permit).run(client)
    }
}
