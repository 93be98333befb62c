use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::BoxError,
    session::{AllowedOrRefused, Guard, Policy, Request},
};

/// Applies a policy to requests. See the [module](super).
#[derive(Debug)]
pub struct AclLayer<P> {
    policy: Arc<P>,
}

impl<P: Policy> AclLayer<P> {
    /// Creates a layer over a [`Policy`]; a closure with two parameters is one.
    pub fn new(policy: P) -> Self {
        Self {
            policy: Arc::new(policy),
        }
    }
}

impl<P> Clone for AclLayer<P> {
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
        }
    }
}

impl<P: Policy, S> Layer<S> for AclLayer<P> {
    type Service = Acl<S>;

    fn layer(&self, inner: S) -> Acl<S> {
        Acl::new(Arc::clone(&self.policy) as _, inner)
    }
}

/// Applies a policy to requests: the service of [`AclLayer`].
#[derive(Clone)]
pub struct Acl<S> {
    policy: Arc<dyn Policy>,
    /// A guard with the policy alone, which most requests get: theirs is the first policy.
    guard: Guard,
    inner: S,
}

impl<S> Acl<S> {
    fn new(policy: Arc<dyn Policy>, inner: S) -> Self {
        Self {
            guard: Guard::open().and(Arc::clone(&policy)),
            policy,
            inner,
        }
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

impl<S> Service<Request> for Acl<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AllowedOrRefused<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if let Err(refusal) = self.policy.check(&request) {
            return AllowedOrRefused::refused(refusal);
        }
        request.guard = if request.guard.is_open() {
            self.guard.clone()
        } else {
            request.guard.and(Arc::clone(&self.policy))
        };
        AllowedOrRefused::called(self.inner.call(request))
    }
}

impl<S: fmt::Debug> fmt::Debug for Acl<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acl")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
