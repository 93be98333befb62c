use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use futures_util::future::{BoxFuture, pending};
use pin_project_lite::pin_project;
use tokio::time::sleep;

use super::SwapPolicy;
use crate::{
    error::Refusal,
    io::ClientStream,
    proto::Address,
    relay::{RelayError, RelayErrorKind, Traffic, dropped},
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

/// For how long the clock is trusted, which may be set; and how often a policy can make us ask.
const AT_MOST: Duration = Duration::from_secs(15 * 60);
const AT_LEAST: Duration = Duration::from_secs(1);

/// Waits until the policy may have changed because of the time, and as much longer as is said.
async fn next_change<P: Policy>(policy: &P, spread: Duration) {
    match policy.next_change() {
        Some(time) => {
            let rest = time.duration_since(SystemTime::now()).unwrap_or_default();
            sleep(rest.clamp(AT_LEAST, AT_MOST) + spread).await;
        }
        None => pending().await,
    }
}

/// Asks a policy about a request at each recheck, and when its hours change, until it refuses.
pub(super) fn watch<P: Policy>(policy: SwapPolicy<P>, request: Request) -> Watch {
    let mut place = policy.enter();
    Box::pin(async move {
        let spread = place.spread();
        loop {
            let is_due = tokio::select! {
                biased;
                is_recheck = poll_fn(|cx| place.poll_round(cx)) => is_recheck,
                () = next_change(&policy, spread) => true,
            };
            if !is_due {
                continue;
            }
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
        let refusal = ready!(this.watch.as_mut().poll(cx));
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
