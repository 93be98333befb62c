use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{io::ClientStream, proto::Address, relay::Traffic, session::Tunnel};

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
        Run {
            running: self.tunnel.run(client),
            _permit: self.permit,
        }
    }
}

pin_project! {
    struct Run<F, P> {
        #[pin]
        running: F,
        _permit: P,
    }
}

impl<F: Future, P> Future for Run<F, P> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().running.poll(cx)
    }
}
