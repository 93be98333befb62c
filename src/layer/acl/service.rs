use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::ResponseFuture;
use crate::{
    error::BoxError,
    session::{Guard, Policy, Request},
};

/// Asks a policy about every request. See the [module](super).
#[derive(Clone)]
pub struct Acl<S> {
    policy: Arc<dyn Policy>,
    /// A guard with the policy alone, which most requests get: no layer was there before.
    guard: Guard,
    inner: S,
}

impl<S> Acl<S> {
    pub(super) fn new(policy: Arc<dyn Policy>, inner: S) -> Self {
        Self {
            guard: Guard::open().and(Arc::clone(&policy)),
            policy,
            inner,
        }
    }
}

impl<S> Service<Request> for Acl<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if let Err(refusal) = self.policy.check(&request) {
            return ResponseFuture::refused(refusal);
        }
        request.guard = if request.guard.is_open() {
            self.guard.clone()
        } else {
            request.guard.and(Arc::clone(&self.policy))
        };
        ResponseFuture::called(self.inner.call(request))
    }
}

impl<S: fmt::Debug> fmt::Debug for Acl<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acl")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
