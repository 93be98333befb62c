use std::{
    mem,
    task::{Context, Poll},
};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{Admission, MakeMeter, MeterTunnel, future::ResponseFuture};
use crate::{error::BoxError, session::Request};

/// Meters tunnels by a [`MakeMeter`]. See the [module](super).
///
/// It changes the type of the response, to a [`MeterTunnel`].
#[derive(Clone, Debug)]
pub struct MeterLayer<M> {
    make_meter: M,
}

impl<M: MakeMeter> MeterLayer<M> {
    /// Creates a layer that asks `make_meter`, whose clones share their counts.
    pub const fn new(make_meter: M) -> Self {
        Self { make_meter }
    }
}

impl<M: MakeMeter, S> Layer<S> for MeterLayer<M> {
    type Service = MeterService<M, S>;

    fn layer(&self, inner: S) -> MeterService<M, S> {
        MeterService {
            make_meter: self.make_meter.clone(),
            inner,
        }
    }
}

/// Meters tunnels: the service of [`MeterLayer`].
#[derive(Clone, Debug)]
pub struct MeterService<M, S> {
    make_meter: M,
    inner: S,
}

impl<M, S> MeterService<M, S> {
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

impl<M, S> Service<Request> for MeterService<M, S>
where
    M: MakeMeter,
    S: Service<Request> + Clone + Send + 'static,
    S::Response: Send,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = MeterTunnel<S::Response, M::Meter>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, S::Response, M::Meter>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.make_meter.meter(&request) {
            Admission::Permit(meter) => ResponseFuture::called(self.inner.call(request), meter),
            Admission::Refused(refusal) => ResponseFuture::refused(refusal),
            Admission::Later(meter) => {
                // What is ready now may not be then.
                let again = self.inner.clone();
                let inner = mem::replace(&mut self.inner, again);
                ResponseFuture::waiting(async move {
                    let meter = meter.await?;
                    let tunnel = inner.oneshot(request).await.map_err(Into::into)?;
                    Ok(MeterTunnel::new(tunnel, meter))
                })
            }
        }
    }
}
