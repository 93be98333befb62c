use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tracing::Span;

use super::OnClose;
use crate::{io::ClientStream, proto::Address, relay::Traffic, session::Tunnel};

/// Runs a tunnel in the span of its request.
#[derive(Debug)]
pub struct TraceTunnel<T, C> {
    tunnel: T,
    span: Span,
    on_close: C,
}

impl<T, C> TraceTunnel<T, C> {
    pub(super) const fn new(tunnel: T, span: Span, on_close: C) -> Self {
        Self {
            tunnel,
            span,
            on_close,
        }
    }
}

impl<T: Tunnel, C: OnClose> Tunnel for TraceTunnel<T, C> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        Run {
            running: self.tunnel.run(client),
            span: self.span,
            on_close: self.on_close,
            opened: Instant::now(),
        }
    }
}

pin_project! {
    struct Run<F, C> {
        #[pin]
        running: F,
        span: Span,
        on_close: C,
        opened: Instant,
    }
}

impl<F, C> Future for Run<F, C>
where
    F: Future<Output = io::Result<Traffic>>,
    C: OnClose,
{
    type Output = io::Result<Traffic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _inside = this.span.enter();
        let outcome = ready!(this.running.poll(cx));
        let open = this.opened.elapsed();
        this.on_close.on_close(&outcome, open, this.span);
        Poll::Ready(outcome)
    }
}
