use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::{BoxFuture, Either};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::MakeMeter;
use crate::{
    error::{BoxError, Refusal},
    io::ClientStream,
    proto::Address,
    relay::Traffic,
    session::{Request, Tunnel},
};

/// Puts the meters of a [`MakeMeter`] on tunnels. See the [module](crate::layer::limit).
///
/// The type of the response is another one with it than without it.
#[derive(Clone, Debug)]
pub struct MeterLayer<M> {
    metering: M,
}

impl<M: MakeMeter> MeterLayer<M> {
    /// A layer that asks `metering`, which is shared by all clones of it.
    pub const fn new(metering: M) -> Self {
        Self { metering }
    }
}

impl<M: MakeMeter, S> Layer<S> for MeterLayer<M> {
    type Service = MeterService<M, S>;

    fn layer(&self, inner: S) -> MeterService<M, S> {
        MeterService {
            metering: self.metering.clone(),
            inner,
        }
    }
}

/// Puts meters on tunnels: the service of [`MeterLayer`].
#[derive(Clone, Debug)]
pub struct MeterService<M, S> {
    metering: M,
    inner: S,
}

impl<M, S> Service<Request> for MeterService<M, S>
where
    M: MakeMeter,
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = MeterTunnel<S::Response, M::Meter>;
    type Error = BoxError;
    type Future = MeterFuture<S::Future, M::Meter>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let state = match self.metering.meter(&request) {
            Ok(meter) => State::Called {
                future: self.inner.call(request),
                meter,
            },
            Err(refusal) => State::Refused {
                refusal: Some(refusal),
            },
        };
        MeterFuture { state }
    }
}

pin_project! {
    /// A request whose tunnel gets a meter: the future of [`MeterService`].
    pub struct MeterFuture<F, M> {
        #[pin]
        state: State<F, M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, M> {
        Called { #[pin] future: F, meter: Option<M> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, T, M, E> Future for MeterFuture<F, M>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<MeterTunnel<T, M>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future, meter } => {
                let tunnel = ready!(future.poll(cx)).map_err(Into::into)?;
                let meter = meter.take();
                Poll::Ready(Ok(MeterTunnel { tunnel, meter }))
            }
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal.into())),
                // Polled again after it was ready, which futures need not survive.
                None => Poll::Pending,
            },
        }
    }
}

impl<F, M> fmt::Debug for MeterFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeterFuture").finish_non_exhaustive()
    }
}

/// A tunnel with a meter on it, or without.
#[derive(Debug)]
pub struct MeterTunnel<T, M> {
    tunnel: T,
    meter: Option<M>,
}

impl<T, M> Tunnel for MeterTunnel<T, M>
where
    T: Tunnel + 'static,
    M: crate::io::Meter,
{
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        let Self { tunnel, meter } = self;
        match meter {
            None => Either::Left(tunnel.run(client)),
            // Boxed, so that a tunnel without a meter does not keep room for one with it.
            Some(meter) => {
                let running: BoxFuture<'static, _> =
                    Box::pin(async move { tunnel.run(client.metered(meter)).await });
                Either::Right(running)
            }
        }
    }
}
