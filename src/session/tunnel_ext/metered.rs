use std::{fmt, future::Future, io};

use crate::{
    io::{ClientStream, Meter},
    proto::Address,
    relay::Traffic,
    session::Tunnel,
};

/// Has a meter for its client's stream: see [`TunnelExt::metered`](crate::TunnelExt::metered).
pub struct MeteredTunnel<T, M> {
    tunnel: T,
    meter: M,
}

impl<T, M> MeteredTunnel<T, M> {
    pub(super) const fn new(tunnel: T, meter: M) -> Self {
        Self { tunnel, meter }
    }
}

impl<T: Tunnel, M: Meter> Tunnel for MeteredTunnel<T, M> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        self.tunnel.run(client.metered(self.meter))
    }
}

impl<T: fmt::Debug, M> fmt::Debug for MeteredTunnel<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}
