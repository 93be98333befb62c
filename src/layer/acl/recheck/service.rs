use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{ResponseFuture, SwapPolicy, tunnel};
use crate::session::{Dialled, Policy, Request};

/// Watches over the tunnels of the service inside. See the [module](super).
pub struct Recheck<S, P> {
    policy: SwapPolicy<P>,
    inner: S,
}

impl<S, P> Recheck<S, P> {
    pub(super) const fn new(policy: SwapPolicy<P>, inner: S) -> Self {
        Self { policy, inner }
    }
}

impl<S, P> Service<Request> for Recheck<S, P>
where
    S: Service<Request>,
    P: Policy,
{
    type Response = super::RecheckTunnel<S::Response>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if request.extensions.get::<Dialled>().is_none() {
            request.extensions.insert(Dialled::default());
        }
        let watch = tunnel::watch(self.policy.clone(), request.clone());
        ResponseFuture::new(self.inner.call(request), watch)
    }
}

impl<S: Clone, P> Clone for Recheck<S, P> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Recheck<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recheck")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
