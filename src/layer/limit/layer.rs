use std::{
    fmt,
    future::Future,
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{Admission, Limiter};
use crate::{
    error::{BoxError, Refusal},
    io::ClientStream,
    proto::Address,
    relay::Traffic,
    session::{Request, Tunnel},
};

/// Admits requests by a [`Limiter`]. See the [module](super).
///
/// The type of the response is another one with it than without it: tunnels hold their permit.
#[derive(Clone, Debug)]
pub struct LimitLayer<L> {
    limiter: L,
}

impl<L: Limiter> LimitLayer<L> {
    /// A layer that asks `limiter`, which is shared by all clones of it.
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
    type Future = LimitFuture<S::Future, S::Response, L::Permit>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let state = match self.limiter.admit(&request) {
            Admission::Permit(permit) => State::Called {
                future: self.inner.call(request),
                permit: Some(permit),
            },
            Admission::Refused(refusal) => State::Refused {
                refusal: Some(refusal),
            },
            Admission::Later(admission) => {
                // What was ready now may not be then.
                let again = self.inner.clone();
                let inner = mem::replace(&mut self.inner, again);
                let waiting = async move {
                    let permit = admission.await?;
                    let tunnel = inner.oneshot(request).await.map_err(Into::into)?;
                    Ok(LimitTunnel { tunnel, permit })
                };
                State::Waiting {
                    waiting: Box::pin(waiting),
                }
            }
        };
        LimitFuture { state }
    }
}

pin_project! {
    /// A request that is admitted, waits to be, or is not: the future of [`Limit`].
    pub struct LimitFuture<F, T, P> {
        #[pin]
        state: State<F, T, P>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, T, P> {
        Called { #[pin] future: F, permit: Option<P> },
        Refused { refusal: Option<Refusal> },
        Waiting { waiting: BoxFuture<'static, Result<LimitTunnel<T, P>, BoxError>> },
    }
}

impl<F, T, P, E> Future for LimitFuture<F, T, P>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<LimitTunnel<T, P>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future, permit } => {
                let tunnel = ready!(future.poll(cx)).map_err(Into::into);
                // Free again at once where nothing came of it.
                let permit = permit.take();
                let tunnel = tunnel?;
                match permit {
                    Some(permit) => Poll::Ready(Ok(LimitTunnel { tunnel, permit })),
                    None => Poll::Pending,
                }
            }
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal.into())),
                None => Poll::Pending,
            },
            StateProj::Waiting { waiting } => waiting.as_mut().poll(cx),
        }
    }
}

impl<F, T, P> fmt::Debug for LimitFuture<F, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitFuture").finish_non_exhaustive()
    }
}

/// A tunnel that holds something until it ends.
#[derive(Debug)]
pub struct LimitTunnel<T, P> {
    tunnel: T,
    permit: P,
}

impl<T, P> Tunnel for LimitTunnel<T, P>
where
    T: Tunnel,
    P: Send,
{
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        HeldFuture {
            tunnel: self.tunnel.run(client),
            _permit: self.permit,
        }
    }
}

pin_project! {
    struct HeldFuture<F, P> {
        #[pin]
        tunnel: F,
        _permit: P,
    }
}

impl<F: Future, P> Future for HeldFuture<F, P> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().tunnel.poll(cx)
    }
}
