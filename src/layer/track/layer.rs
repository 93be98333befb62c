use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::{OpenTunnels, TrackTunnel, future::ResponseFuture};
use crate::{proto::Command, session::Request};

/// Registers tunnels: the layer of [`OpenTunnels`]. See the [module](super).
#[derive(Clone, Debug)]
pub struct TrackLayer {
    open: OpenTunnels,
}

impl OpenTunnels {
    /// Creates a layer that lists the tunnels of the service inside.
    #[must_use]
    pub fn layer(&self) -> TrackLayer {
        TrackLayer { open: self.clone() }
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

/// Registers tunnels: the service of [`TrackLayer`].
#[derive(Clone, Debug)]
pub struct Track<S> {
    open: OpenTunnels,
    inner: S,
}

impl<S> Track<S> {
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

impl<S: Service<Request>> Service<Request> for Track<S> {
    type Response = TrackTunnel<S::Response>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // From here on the connector says where it has dialled.
        request.dialled();
        if request.command == Command::UDP_ASSOCIATE {
            request.destinations();
        }
        let kept = request.kept();
        ResponseFuture::new(self.open.clone(), kept, self.inner.call(request))
    }
}
