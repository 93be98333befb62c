use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{io::ClientStream, proto::Address, relay::Traffic, session::Tunnel};

/// Keeps a value until its tunnel has ended: see [`TunnelExt::hold`](crate::TunnelExt::hold).
#[derive(Debug)]
pub struct HoldTunnel<T, G> {
    // The order of fields is that of their drops: the sockets are closed before the guard goes.
    tunnel: T,
    guard: G,
}

impl<T, G> HoldTunnel<T, G> {
    pub(super) const fn new(tunnel: T, guard: G) -> Self {
        Self { tunnel, guard }
    }
}

impl<T: Tunnel, G: Send> Tunnel for HoldTunnel<T, G> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        Running {
            running: self.tunnel.run(client),
            _guard: self.guard,
        }
    }
}

pin_project! {
    struct Running<F, G> {
        #[pin]
        running: F,
        _guard: G,
    }
}

impl<F: Future, G> Future for Running<F, G> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().running.poll(cx)
    }
}
