use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::BoxError,
    proto::UdpOverTcp,
    session::{AllowedOrRefused, Request},
};

/// Turns requests for UDP over TCP into UDP associations. See the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpOverTcpLayer {
    _private: (),
}

impl UdpOverTcpLayer {
    /// Creates a layer that knows all protocols of [`UdpOverTcp`].
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for UdpOverTcpLayer {
    type Service = UdpOverTcpService<S>;

    fn layer(&self, inner: S) -> UdpOverTcpService<S> {
        UdpOverTcpService { inner }
    }
}

/// Turns requests for UDP over TCP into UDP associations: the service of [`UdpOverTcpLayer`].
#[derive(Clone, Copy, Debug)]
pub struct UdpOverTcpService<S> {
    inner: S,
}

impl<S> UdpOverTcpService<S> {
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

impl<S> Service<Request> for UdpOverTcpService<S>
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

    fn call(&mut self, request: Request) -> Self::Future {
        let request = match UdpOverTcp::of(request.command, &request.target) {
            None => Ok(request),
            Some(protocol) => request.into_association(protocol),
        };
        match request {
            Ok(request) => AllowedOrRefused::called(self.inner.call(request)),
            Err(refusal) => AllowedOrRefused::refused(refusal),
        }
    }
}
