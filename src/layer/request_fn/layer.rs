use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::Next;
use crate::{
    error::BoxError,
    session::{Request, Tunnel},
};

/// Makes a layer out of an async closure. See the [module](super).
pub const fn request_fn<F, S, Fut, T>(closure: F) -> RequestFnLayer<F, S>
where
    // `FnOnce`, since an async closure that captures something by value is no `Fn`: the future borrows from the
    // closure. A clone that is called by value has no such trouble.
    F: FnOnce(Request, Next<S>) -> Fut + Clone,
    // Known here, so that `?` and `.into()` in the closure need no annotation.
    Fut: Future<Output = Result<T, BoxError>> + Send,
    T: Tunnel,
{
    RequestFnLayer {
        closure,
        inner: PhantomData,
    }
}

/// Wraps services in an async closure: made by [`request_fn`].
///
/// It wraps services of one type: the compiler has to know it before it reads the closure's body.
pub struct RequestFnLayer<F, S> {
    closure: F,
    inner: PhantomData<fn(S)>,
}

impl<F: Clone, S> Layer<S> for RequestFnLayer<F, S> {
    type Service = RequestFn<F, S>;

    fn layer(&self, inner: S) -> RequestFn<F, S> {
        RequestFn {
            closure: self.closure.clone(),
            inner,
        }
    }
}

impl<F: Clone, S> Clone for RequestFnLayer<F, S> {
    fn clone(&self) -> Self {
        Self {
            closure: self.closure.clone(),
            inner: PhantomData,
        }
    }
}

impl<F, S> fmt::Debug for RequestFnLayer<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFnLayer").finish_non_exhaustive()
    }
}

/// Executes requests by an async closure: the service of [`RequestFnLayer`].
#[derive(Clone)]
pub struct RequestFn<F, S> {
    closure: F,
    inner: S,
}

impl<F, S> RequestFn<F, S> {
    /// Returns the service below.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the service below, to change.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the service below alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<F, S, Fut, T> Service<Request> for RequestFn<F, S>
where
    F: FnOnce(Request, Next<S>) -> Fut + Clone,
    Fut: Future<Output = Result<T, BoxError>> + Send,
    T: Tunnel,
    S: Clone,
{
    type Response = T;
    type Error = BoxError;
    type Future = Fut;

    /// Always ready: `Next` waits for the service below.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Fut {
        // Nobody has asked whether `inner` is ready, so a clone of it is as good.
        self.closure.clone()(request, Next::new(self.inner.clone()))
    }
}

impl<F, S: fmt::Debug> fmt::Debug for RequestFn<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFn")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
