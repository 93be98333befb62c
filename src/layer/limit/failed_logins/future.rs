use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower::util::Oneshot;
use tower_service::Service;

use super::attempts::{Attempts, Begun};
use crate::{
    error::{AuthError, BoxError, Refusal, find},
    session::{LoginAttempts, Negotiation},
};

pin_project! {
    /// Authenticates a client: the future of [`FailedLogins`](super::FailedLogins).
    pub struct ResponseFuture<S, Io>
    where
        S: Service<Negotiation<Io>>,
    {
        refusal: Option<Refusal>,
        delay: Option<Pin<Box<Sleep>>>,
        #[pin]
        authentication: Oneshot<S, Negotiation<Io>>,
        attempts: Arc<Attempts>,
        entered: LoginAttempts,
        client: Option<IpAddr>,
        begun: Option<Begun>,
    }
}

impl<S, Io> ResponseFuture<S, Io>
where
    S: Service<Negotiation<Io>>,
{
    pub(super) fn new(
        authentication: Oneshot<S, Negotiation<Io>>,
        attempts: Arc<Attempts>,
        entered: LoginAttempts,
        client: Option<IpAddr>,
    ) -> Self {
        let begun = client.map_or(Ok(None), |client| attempts.enter_nameless(client));
        let (refusal, begun, delay) = match begun {
            Ok(Some((begun, delay))) => (None, Some(begun), Some(Box::pin(sleep(delay)))),
            Ok(None) => (None, None, None),
            Err(refusal) => (Some(refusal), None, None),
        };
        Self {
            refusal,
            delay,
            authentication,
            attempts,
            entered,
            client,
            begun,
        }
    }
}

impl<S, Io> Future for ResponseFuture<S, Io>
where
    S: Service<Negotiation<Io>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Err(refusal.into()));
        }
        if let Some(delay) = this.delay {
            ready!(delay.as_mut().poll(cx));
            *this.delay = None;
        }
        let outcome = ready!(this.authentication.poll(cx)).map_err(Into::into);
        *this.begun = None;
        if let (Some(client), Err(error)) = (*this.client, &outcome)
            && find(&**error).is_some_and(AuthError::is_denial)
            // What has entered is counted.
            && !this.entered.is_entered()
        {
            this.attempts.nameless_failed(client);
        }
        Poll::Ready(outcome)
    }
}

impl<S, Io> fmt::Debug for ResponseFuture<S, Io>
where
    S: Service<Negotiation<Io>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
