use std::{future::Future, io};

use futures_util::future::{BoxFuture, Either};

use crate::{
    io::{ClientStream, Meter},
    proto::Address,
    relay::Traffic,
    session::Tunnel,
};

/// Meters a tunnel, unless the request needs no meter.
#[derive(Debug)]
pub struct MeterTunnel<T, M> {
    tunnel: T,
    meter: Option<M>,
}

impl<T, M> MeterTunnel<T, M> {
    pub(super) const fn new(tunnel: T, meter: Option<M>) -> Self {
        Self { tunnel, meter }
    }
}

impl<T, M> Tunnel for MeterTunnel<T, M>
where
    T: Tunnel + 'static,
    M: Meter,
{
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        let Self { tunnel, meter } = self;
        match meter {
            None => Either::Left(tunnel.run(client)),
            // Boxed, so that a tunnel without a meter does not keep room for one with it.
            Some(meter) => {
                let running: BoxFuture<'static, _> = Box::pin(tunnel.run(client.metered(meter)));
                Either::Right(running)
            }
        }
    }
}
