use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::watch::Watch;
use crate::{
    io::ClientStream,
    proto::Address,
    relay::{RelayError, RelayErrorKind, Traffic, dropped},
    session::Tunnel,
};

/// Closes a tunnel that its policy no longer allows: the tunnel of [`Recheck`](super::Recheck).
pub struct RecheckTunnel<T> {
    tunnel: T,
    watch: Watch,
}

impl<T> RecheckTunnel<T> {
    pub(super) const fn new(tunnel: T, watch: Watch) -> Self {
        Self { tunnel, watch }
    }
}

impl<T: Tunnel> Tunnel for RecheckTunnel<T> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        Run {
            tunnel: Some(self.tunnel.run(client)),
            watch: self.watch,
        }
    }
}

pin_project! {
    struct Run<F> {
        #[pin]
        tunnel: Option<F>,
        watch: Watch,
    }
}

impl<F: Future<Output = io::Result<Traffic>>> Future for Run<F> {
    type Output = io::Result<Traffic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(tunnel) = this.tunnel.as_mut().as_pin_mut() else {
            return Poll::Pending; // it was refused
        };
        if let Poll::Ready(outcome) = tunnel.poll(cx) {
            return Poll::Ready(outcome);
        }
        let refusal = ready!(this.watch.poll(cx));
        // What another one has left is not of this tunnel.
        let _ = dropped::left();
        this.tunnel.set(None);
        let traffic = dropped::left().unwrap_or_default();
        let refusal = io::Error::other(refusal);
        let error = RelayError::broken(RelayErrorKind::Policy, traffic, refusal);
        Poll::Ready(Err(error))
    }
}

impl<T: fmt::Debug> fmt::Debug for RecheckTunnel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecheckTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}
