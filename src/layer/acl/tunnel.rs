use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;

use crate::{
    error::Refusal,
    proto::Address,
    relay::Traffic,
    session::{Policy, Reached, Recheck, Request, Tunnel},
};

/// A tunnel that a policy let pass, and may close: the tunnel of [`Acl`](super::Acl).
pub struct Guarded<T> {
    tunnel: T,
    watch: Option<Watch>,
}

/// Ready once the policy changed its mind.
pub(super) type Watch = BoxFuture<'static, Refusal>;

impl<T> Guarded<T> {
    pub(super) const fn new(tunnel: T, watch: Option<Watch>) -> Self {
        Self { tunnel, watch }
    }

    /// The tunnel.
    pub const fn get_ref(&self) -> &T {
        &self.tunnel
    }

    /// The tunnel, which nobody closes any more.
    pub fn into_inner(self) -> T {
        self.tunnel
    }
}

/// Asks a policy about a request at each of its calls, until it says no.
pub(super) fn watch(policy: Arc<dyn Policy>, mut calls: Recheck, request: Request) -> Watch {
    Box::pin(async move {
        loop {
            calls.called().await;
            let reached = request.extensions.get().and_then(Reached::get);
            let outcome = policy.check(&request).and_then(|()| match reached {
                Some(address) => policy.check_address(&request, address),
                None => Ok(()),
            });
            if let Err(refusal) = outcome {
                return refusal;
            }
        }
    })
}

impl<W, T: Tunnel<W>> Tunnel<W> for Guarded<T> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        GuardedRun {
            run: self.tunnel.run(client),
            watch: self.watch,
        }
    }
}

pin_project! {
    /// The life of a [`Guarded`] tunnel.
    pub struct GuardedRun<F> {
        #[pin]
        run: F,
        watch: Option<Watch>,
    }
}

impl<F: Future<Output = io::Result<Traffic>>> Future for GuardedRun<F> {
    type Output = io::Result<Traffic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(outcome) = this.run.poll(cx) {
            return Poll::Ready(outcome);
        }
        match this.watch {
            Some(watch) => watch
                .as_mut()
                .poll(cx)
                .map(|refusal| Err(io::Error::other(refusal))),
            None => Poll::Pending,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for GuardedRun<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedRun").finish_non_exhaustive()
    }
}
