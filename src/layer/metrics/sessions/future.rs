use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::{Gauge, counter};
use pin_project_lite::pin_project;

use crate::{
    error::{AuthError, BoxError, Fault, ForeignProtocol, SessionError, Step, find},
    layer::metrics::{
        keys,
        names::{AUTHENTICATION_FAILURES, FOREIGN_CONNECTIONS, SESSIONS},
        refusals::count_refusal,
    },
    session::has_left,
};

pin_project! {
    /// Counts a session: the future of [`SessionMetrics`](super::SessionMetrics).
    pub struct ResponseFuture<F> {
        #[pin]
        session: F,
        open: Open,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(open: Open, session: F) -> Self {
        Self { session, open }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.session.poll(cx)).map_err(Into::into);
        this.open.ended = true;
        let label = match &outcome {
            Ok(_) => "done",
            Err(error) => {
                // A greeting without an acceptable method is no login: probes and browsers do it.
                if find(&**error).is_some_and(AuthError::is_denial) {
                    counter!(AUTHENTICATION_FAILURES).increment(1);
                }
                if let Some(protocol) = find::<ForeignProtocol>(&**error) {
                    counter!(FOREIGN_CONNECTIONS, "protocol" => protocol.name()).increment(1);
                }
                let session = find::<SessionError>(&**error);
                // Those of requests are counted where requests are.
                if session.is_some_and(|it| it.step() == Step::Authentication) {
                    count_refusal(&**error);
                }
                match session.map(SessionError::fault) {
                    Some(Fault::Client) if session.is_some_and(has_left) => "left",
                    Some(Fault::Client) => "client",
                    Some(Fault::Refused) => "refused",
                    Some(Fault::Target) => "target",
                    Some(Fault::Upstream) => "upstream",
                    Some(Fault::Server) | None => "server",
                }
            }
        };
        if outcome.is_ok() {
            keys::counter(&keys::SESSIONS_DONE).increment(1);
        } else {
            counter!(SESSIONS, "outcome" => label).increment(1);
        }
        Poll::Ready(outcome)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Counts a session as open until it is dropped, and as dropped if it had not ended by then.
pub(super) struct Open {
    /// Held, since a recorder may have forgotten it at the end, and would begin anew.
    gauge: Gauge,
    ended: bool,
}

impl Open {
    pub(super) fn new() -> Self {
        let gauge = keys::gauge(&keys::SESSIONS_OPEN);
        gauge.increment(1.0);
        Self {
            gauge,
            ended: false,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
        if !self.ended {
            counter!(SESSIONS, "outcome" => "dropped").increment(1);
        }
    }
}
