use std::{
    fmt,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{RecheckTunnel, SwapPolicy, future::ResponseFuture, watch::Watch};
use crate::session::{Policy, Request};

/// Asks a policy again about open tunnels. See the [module](super).
#[derive(Debug)]
pub struct RecheckLayer<P> {
    policy: SwapPolicy<P>,
}

impl<P> RecheckLayer<P> {
    /// Creates a layer that acts on [`SwapPolicy::recheck`].
    pub const fn new(policy: SwapPolicy<P>) -> Self {
        Self { policy }
    }
}

impl<P> Clone for RecheckLayer<P> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
        }
    }
}

impl<P, S> Layer<S> for RecheckLayer<P> {
    type Service = Recheck<S, P>;

    fn layer(&self, inner: S) -> Recheck<S, P> {
        Recheck::new(self.policy.clone(), inner)
    }
}

/// Asks a policy again about open tunnels: the service of [`RecheckLayer`].
pub struct Recheck<S, P> {
    policy: SwapPolicy<P>,
    inner: S,
}

impl<S, P> Recheck<S, P> {
    const fn new(policy: SwapPolicy<P>, inner: S) -> Self {
        Self { policy, inner }
    }

    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P> Service<Request> for Recheck<S, P>
where
    S: Service<Request>,
    P: Policy,
{
    type Response = RecheckTunnel<S::Response>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // From here on the connector says where it has dialled.
        request.dialled();
        let watch = Watch::new(&self.policy, request.kept());
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
