use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{OpenTunnels, TrackTunnel};
use crate::session::{Dialled, Request};

/// Puts tunnels on a list: the layer of [`OpenTunnels`]. See the [module](super).
#[derive(Clone, Debug)]
pub struct TrackLayer {
    open: OpenTunnels,
}

impl TrackLayer {
    pub(super) const fn new(open: OpenTunnels) -> Self {
        Self { open }
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Track<S> {
        Track {
            open: self.open.clone(),
            inner,
        }
    }
}

/// Puts tunnels on a list: the service of [`TrackLayer`].
#[derive(Clone, Debug)]
pub struct Track<S> {
    open: OpenTunnels,
    inner: S,
}

impl<S: Service<Request>> Service<Request> for Track<S> {
    type Response = TrackTunnel<S::Response>;
    type Error = S::Error;
    type Future = TrackFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if request.extensions.get::<Dialled>().is_none() {
            request.extensions.insert(Dialled::default());
        }
        TrackFuture {
            open: self.open.clone(),
            request: Some(request.clone()),
            asking: self.inner.call(request),
        }
    }
}

pin_project! {
    /// A request whose tunnel will be on a list: the future of [`Track`].
    pub struct TrackFuture<F> {
        open: OpenTunnels,
        request: Option<Request>,
        #[pin]
        asking: F,
    }
}

impl<F, T, E> Future for TrackFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<TrackTunnel<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let tunnel = ready!(this.asking.poll(cx))?;
        match this.request.take() {
            Some(request) => Poll::Ready(Ok(TrackTunnel::new(tunnel, this.open.enter(request)))),
            // Polled again after it was ready, which futures need not survive.
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for TrackFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackFuture").finish_non_exhaustive()
    }
}
