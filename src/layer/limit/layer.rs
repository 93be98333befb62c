use std::{
    mem,
    task::{Context, Poll},
};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{Admission, LimitTunnel, Limiter, future::ResponseFuture};
use crate::{error::BoxError, session::Request};

/// Admits requests by a [`Limiter`]. See the [module](super).
///
/// It changes the type of the response, to a [`LimitTunnel`] that holds the permit.
#[derive(Clone, Debug)]
pub struct LimitLayer<L> {
    limiter: L,
}

impl<L: Limiter> LimitLayer<L> {
    /// Creates a layer that asks `limiter`, whose clones share their counts.
    pub const fn new(limiter: L) -> Self {
        Self { limiter }
    }
}

impl<L: Limiter, S> Layer<S> for LimitLayer<L> {
    type Service = Limit<L, S>;

    fn layer(&self, inner: S) -> Limit<L, S> {
        Limit {
            limiter: self.limiter.clone(),
            inner,
        }
    }
}

/// Admits requests by a [`Limiter`]: the service of [`LimitLayer`].
#[derive(Clone, Debug)]
pub struct Limit<L, S> {
    limiter: L,
    inner: S,
}

impl<L, S> Limit<L, S> {
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

impl<L, S> Service<Request> for Limit<L, S>
where
    L: Limiter,
    S: Service<Request> + Clone + Send + 'static,
    S::Response: Send,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = LimitTunnel<S::Response, L::Permit>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, S::Response, L::Permit>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.limiter.admit(&request) {
            Admission::Permit(permit) => ResponseFuture::called(self.inner.call(request), permit),
            Admission::Refused(refusal) => ResponseFuture::refused(refusal),
            Admission::Later(admission) => {
                // What is ready now may not be then.
                let again = self.inner.clone();
                let inner = mem::replace(&mut self.inner, again);
                ResponseFuture::waiting(async move {
                    let permit = admission.await?;
                    let tunnel = inner.oneshot(request).await.map_err(Into::into)?;
                    Ok(LimitTunnel::new(tunnel, permit))
                })
            }
        }
    }
}
