use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::{Gauge, counter, gauge};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::super::{
    names::{AUTHENTICATION_FAILURES, SESSIONS, SESSIONS_OPEN},
    refusals::count_refusal,
};
use crate::{
    error::{AuthError, BoxError, Fault, SessionError, Step, find},
    session::Accepted,
};

/// Counts sessions and failed logins. It stands above
/// [`HandshakeLayer`](crate::HandshakeLayer). See the [module](crate::layer::metrics).
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionMetricsLayer;

impl SessionMetricsLayer {
    /// By the recorder that is installed when sessions begin.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for SessionMetricsLayer {
    type Service = SessionMetrics<S>;

    fn layer(&self, inner: S) -> SessionMetrics<S> {
        SessionMetrics { inner }
    }
}

/// Counts sessions: the service of [`SessionMetricsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct SessionMetrics<S> {
    inner: S,
}

impl<S, Io> Service<Accepted<Io>> for SessionMetrics<S>
where
    S: Service<Accepted<Io>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = SessionMetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, accepted: Accepted<Io>) -> Self::Future {
        SessionMetricsFuture {
            open: Open::new(),
            session: self.inner.call(accepted),
        }
    }
}

/// An open session, until it is dropped.
struct Open(Gauge);

impl Open {
    fn new() -> Self {
        let gauge = gauge!(SESSIONS_OPEN);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

pin_project! {
    /// A session that is counted: the future of [`SessionMetrics`].
    pub struct SessionMetricsFuture<F> {
        #[pin]
        session: F,
        open: Open,
    }
}

impl<F, T, E> Future for SessionMetricsFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.project().session.poll(cx)).map_err(Into::into);
        let label = match &outcome {
            Ok(_) => "done",
            Err(error) => {
                if let Some(AuthError::Denied | AuthError::NoAcceptableMethod) = find(&**error) {
                    counter!(AUTHENTICATION_FAILURES).increment(1);
                }
                let session = find::<SessionError>(&**error);
                // Those of requests are counted where requests are.
                if session.is_some_and(|it| it.step() == Step::Authentication) {
                    count_refusal(&**error);
                }
                match session.map(SessionError::fault) {
                    Some(Fault::Client) => "client",
                    Some(Fault::Refused) => "refused",
                    Some(Fault::Target) => "target",
                    Some(Fault::Server) | None => "server",
                }
            }
        };
        counter!(SESSIONS, "outcome" => label).increment(1);
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for SessionMetricsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionMetricsFuture")
            .finish_non_exhaustive()
    }
}
