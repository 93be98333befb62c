use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;

use super::SwapPolicy;
use crate::{
    error::Refusal,
    io::ClientStream,
    proto::Address,
    relay::Traffic,
    session::{Dialled, Policy, Request, Tunnel},
};

/// Closes a tunnel that its policy no longer allows: the tunnel of [`Recheck`](super::Recheck).
pub struct RecheckTunnel<T> {
    tunnel: T,
    watch: Watch,
}

/// Ready with the refusal, once the policy refuses the tunnel.
pub(super) type Watch = BoxFuture<'static, Refusal>;

impl<T> RecheckTunnel<T> {
    pub(super) const fn new(tunnel: T, watch: Watch) -> Self {
        Self { tunnel, watch }
    }
}

/// Asks a policy about a request at each recheck, until it refuses.
pub(super) fn watch<P: Policy>(policy: SwapPolicy<P>, request: Request) -> Watch {
    let mut rechecks = policy.rechecks();
    Box::pin(async move {
        loop {
            rechecks.next().await;
            if let Err(refusal) = judge(&policy, &request) {
                return refusal;
            }
        }
    })
}

/// Asks what was asked before the tunnel opened: about the request, and about what was used for it.
fn judge<P: Policy>(policy: &P, request: &Request) -> Result<(), Refusal> {
    policy.check(request)?;
    let Some(dialled) = request.extensions.get::<Dialled>() else {
        return Ok(());
    };
    if dialled.is_handed_on() {
        policy.check_name(request)?;
    }
    match dialled.get() {
        Some(address) => policy.check_address(request, address),
        None => Ok(()),
    }
}

impl<T: Tunnel> Tunnel for RecheckTunnel<T> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        Run {
            tunnel: self.tunnel.run(client),
            watch: self.watch,
        }
    }
}

pin_project! {
    struct Run<F> {
        #[pin]
        tunnel: F,
        watch: Watch,
    }
}

impl<F: Future<Output = io::Result<Traffic>>> Future for Run<F> {
    type Output = io::Result<Traffic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(outcome) = this.tunnel.poll(cx) {
            return Poll::Ready(outcome);
        }
        let watch = this.watch.as_mut();
        watch.poll(cx).map(|refusal| Err(io::Error::other(refusal)))
    }
}

impl<T: fmt::Debug> fmt::Debug for RecheckTunnel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecheckTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}
