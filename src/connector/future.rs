use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::{tunnel::ConnectorTunnel, unsupported};
use crate::{error::BoxError, proto::Command, session::Request};

pin_project! {
    /// Executes a request: the future of [`Connector`](super::Connector).
    pub struct ResponseFuture<C, B, A, R>
    where
        C: Service<Request>,
        B: Service<Request>,
        A: Service<Request>,
        R: Service<Request>,
    {
        #[pin]
        state: State<C, B, A, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<C, B, A, R>
    where
        C: Service<Request>,
        B: Service<Request>,
        A: Service<Request>,
        R: Service<Request>,
    {
        Connect { #[pin] future: Oneshot<C, Request> },
        Bind { #[pin] future: Oneshot<B, Request> },
        Associate { #[pin] future: Oneshot<A, Request> },
        Resolve { #[pin] future: Oneshot<R, Request> },
        Unknown { command: Command },
    }
}

impl<C, B, A, R> ResponseFuture<C, B, A, R>
where
    C: Service<Request>,
    B: Service<Request>,
    A: Service<Request>,
    R: Service<Request>,
{
    pub(super) const fn connect(future: Oneshot<C, Request>) -> Self {
        Self {
            state: State::Connect { future },
        }
    }

    pub(super) const fn bind(future: Oneshot<B, Request>) -> Self {
        Self {
            state: State::Bind { future },
        }
    }

    pub(super) const fn associate(future: Oneshot<A, Request>) -> Self {
        Self {
            state: State::Associate { future },
        }
    }

    pub(super) const fn resolve(future: Oneshot<R, Request>) -> Self {
        Self {
            state: State::Resolve { future },
        }
    }

    pub(super) const fn unknown(command: Command) -> Self {
        Self {
            state: State::Unknown { command },
        }
    }
}

impl<C, B, A, R> Future for ResponseFuture<C, B, A, R>
where
    C: Service<Request>,
    C::Error: Into<BoxError>,
    B: Service<Request>,
    B::Error: Into<BoxError>,
    A: Service<Request>,
    A::Error: Into<BoxError>,
    R: Service<Request>,
    R::Error: Into<BoxError>,
{
    type Output =
        Result<ConnectorTunnel<C::Response, B::Response, A::Response, R::Response>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Connect { future } => future
                .poll(cx)
                .map_ok(ConnectorTunnel::Connect)
                .map_err(Into::into),
            StateProj::Bind { future } => future
                .poll(cx)
                .map_ok(ConnectorTunnel::Bind)
                .map_err(Into::into),
            StateProj::Associate { future } => future
                .poll(cx)
                .map_ok(ConnectorTunnel::Associate)
                .map_err(Into::into),
            StateProj::Resolve { future } => future
                .poll(cx)
                .map_ok(ConnectorTunnel::Resolve)
                .map_err(Into::into),
            StateProj::Unknown { command } => {
                Poll::Ready(Err(unsupported::refusal(*command).into()))
            }
        }
    }
}

impl<C, B, A, R> fmt::Debug for ResponseFuture<C, B, A, R>
where
    C: Service<Request>,
    B: Service<Request>,
    A: Service<Request>,
    R: Service<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
