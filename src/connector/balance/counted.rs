use std::{
    future::Future,
    io,
    task::{Context, Poll},
};

use crate::{
    connector::failover::InUse,
    datagram::{DatagramTransport, Datagrams},
    io::ClientStream,
    proto::Address,
    relay::Traffic,
    session::{Tunnel, TunnelExt},
};

/// What an alternative has made, and counts as its load until it ends: the response of [`Balance`](super::Balance). A
/// tunnel, a transport of datagrams, or whatever it is.
#[derive(Debug)]
pub struct Counted<R> {
    // The order of fields is that of their drops.
    inner: R,
    in_use: InUse,
}

impl<R> Counted<R> {
    pub(super) const fn new(inner: R, in_use: InUse) -> Self {
        Self { inner, in_use }
    }

    /// Returns a reference to what was made.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns a mutable reference to what was made.
    pub const fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Returns what was made, which is not counted any more.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Tunnel> Tunnel for Counted<R> {
    fn bound(&self) -> Address {
        self.inner.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        self.inner.hold(self.in_use).run(client)
    }
}

impl<R: DatagramTransport> DatagramTransport for Counted<R> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        self.inner.poll_send(cx, out)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        self.inner.poll_recv(cx, into)
    }
}
