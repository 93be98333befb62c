//! One stack for all sessions, which costs a session a reference until it is called.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

/// A service that is cloned where it gets ready, and not before.
///
/// Each layer above clones what is below it for the future that it returns: for a stack of many layers, of which most
/// hold references to what they share, these clones are a good part of what a short session costs.
pub(crate) struct SharedStack<S> {
    stack: Arc<S>,
    /// The clone that is ready, or about to be.
    own: Option<Box<S>>,
}

impl<S> SharedStack<S> {
    pub(crate) fn new(stack: S) -> Self {
        Self {
            stack: Arc::new(stack),
            own: None,
        }
    }
}

impl<S: Clone> SharedStack<S> {
    fn own(&mut self) -> &mut S {
        self.own
            .get_or_insert_with(|| Box::new(S::clone(&self.stack)))
    }
}

impl<S> Clone for SharedStack<S> {
    /// A clone is not ready, as of any service.
    fn clone(&self) -> Self {
        Self {
            stack: Arc::clone(&self.stack),
            own: None,
        }
    }
}

impl<S, R> Service<R> for SharedStack<S>
where
    S: Service<R> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.own().poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.own().call(request)
    }
}
