use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::util::Oneshot;
use tower_service::Service;

use super::failures::Shared;
use crate::{
    error::{AuthError, BoxError, Refusal, find},
    session::Negotiation,
};

pin_project! {
    /// Authenticates a client at its turn: the future of [`FailedLogins`](super::FailedLogins).
    pub struct ResponseFuture<S, Io>
    where
        S: Service<Negotiation<Io>>,
    {
        refusal: Option<Refusal>,
        turn: Option<Pin<Box<Sleep>>>,
        #[pin]
        authentication: Oneshot<S, Negotiation<Io>>,
        shared: Arc<Shared>,
        client: Option<IpAddr>,
    }
}

impl<S, Io> ResponseFuture<S, Io>
where
    S: Service<Negotiation<Io>>,
{
    /// Authenticates at its turn, at once if there is none, or fails with the refusal.
    pub(super) fn new(
        turn: Result<Option<Instant>, Refusal>,
        authentication: Oneshot<S, Negotiation<Io>>,
        shared: Arc<Shared>,
        client: Option<IpAddr>,
    ) -> Self {
        let (refusal, turn) = match turn {
            Ok(turn) => (None, turn),
            Err(refusal) => (Some(refusal), None),
        };
        Self {
            refusal,
            turn: turn.map(|turn| Box::pin(sleep_until(turn))),
            authentication,
            shared,
            client,
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
        if let Some(turn) = this.turn {
            ready!(turn.as_mut().poll(cx));
            *this.turn = None;
        }
        let outcome = ready!(this.authentication.poll(cx)).map_err(Into::into);
        if let Some(client) = *this.client {
            match &outcome {
                Ok(_) => this.shared.succeeded(client),
                Err(error) => {
                    if let Some(AuthError::Denied) = find(&**error) {
                        this.shared.failed(client);
                    }
                }
            }
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
