use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{io::ClientStream, proto::Address, relay::Traffic, session::Tunnel};

/// Calls a closure once its tunnel has ended: see [`TunnelExt::on_close`](crate::TunnelExt::on_close).
pub struct OnCloseTunnel<T, F> {
    tunnel: T,
    on_close: F,
}

impl<T, F> OnCloseTunnel<T, F> {
    pub(super) const fn new(tunnel: T, on_close: F) -> Self {
        Self { tunnel, on_close }
    }
}

impl<T, F> Tunnel for OnCloseTunnel<T, F>
where
    T: Tunnel,
    F: FnOnce(&io::Result<Traffic>) + Send,
{
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        Running {
            running: self.tunnel.run(client),
            on_close: Some(self.on_close),
        }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for OnCloseTunnel<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCloseTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}

pin_project! {
    struct Running<R, F> {
        #[pin]
        running: R,
        on_close: Option<F>,
    }
}

impl<R, F> Future for Running<R, F>
where
    R: Future<Output = io::Result<Traffic>>,
    F: FnOnce(&io::Result<Traffic>),
{
    type Output = io::Result<Traffic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.running.poll(cx));
        if let Some(on_close) = this.on_close.take() {
            on_close(&outcome);
        }
        Poll::Ready(outcome)
    }
}
